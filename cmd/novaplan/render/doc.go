// Package render turns wire documents into text for people: plans, status, explanations, reports.
//
// Text is ASCII and makes sense without colour: a sign always has its word or figures beside it.
// Identical rows collapse unless Options.Wide. Nothing here decides or fetches anything.
package render
