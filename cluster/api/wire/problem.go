package wire

import "strings"

// Problem is what a failed request answers with, as application/problem+json (RFC 9457). It says what the command
// line shows: Title is the message, Details are the lines below it.
type Problem struct {
	Type    string   `json:"type" doc:"urn:novaplan:problem: and the code"`
	Title   string   `json:"title" doc:"what went wrong, in one sentence"`
	Status  int      `json:"status" doc:"HTTP status code"`
	Detail  string   `json:"detail,omitempty" doc:"the details as one text"`
	Code    string   `json:"code" doc:"an enumerated reason, for programs"`
	Details []string `json:"details,omitempty" doc:"what to do about it, a line each"`
	Request string   `json:"request_id,omitempty" doc:"id of the request, also in the server's log"`
	// Plan is, of a stale approval, the plan as it is now.
	Plan *Plan `json:"plan,omitempty" doc:"of a stale approval: the plan as it is now, with its base"`
}

// ProblemOf returns e as the answer with that status.
func ProblemOf(e *Error, status int, request string) *Problem {
	return &Problem{
		Type: "urn:novaplan:problem:" + e.Code, Title: e.Message, Status: status, Detail: strings.Join(e.Detail, "\n"),
		Code: e.Code, Details: e.Detail, Request: request,
	}
}

// Err returns the error that the problem tells of.
func (p *Problem) Err() *Error { return &Error{Code: p.Code, Message: p.Title, Detail: p.Details} }

// Error makes it an error.
func (p *Problem) Error() string { return p.Title }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of problems, whatever was asked for.
func (p *Problem) ContentType(string) string { return "application/problem+json" }
