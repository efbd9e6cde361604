// Package recovery says what a leader does with work that it finds under way: the operations that an
// earlier epoch began, and the two ends of a migration that nobody watched.
//
// The answer for migrations is a table, source by destination, and it is the same table whether the
// leader was there all the time or has just come: a lost answer and a lost leader are one case.
package recovery
