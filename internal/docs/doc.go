// Package docs tests what the README and the examples say: each command is run as it is written.
package docs
