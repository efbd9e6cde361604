package api

import (
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/novaplan/novaplan/cluster/api/auth"
)

// forward lets the leader answer. It believes who the caller is, because this member's certificate says who we are.
// Nothing is passed on twice: two members that take each other for the leader would never end.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, leader string, c *call) error {
	if leader == "" || h.Forward == nil || r.Header.Get(hopHeader) != "" {
		return noLeader(nil)
	}
	failed := make(chan error, 1)
	proxy := &httputil.ReverseProxy{
		Transport:     h.Forward,
		FlushInterval: -1, // events go on at once
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(&url.URL{Scheme: "https", Host: leader})
			p.Out.Header.Del("Authorization")
			p.Out.Header.Set(RequestHeader, c.request)
			p.Out.Header.Set(hopHeader, "1")
			auth.Vouch(p.Out.Header, c.caller)
		},
		ModifyResponse: func(resp *http.Response) error {
			resp.Header.Del(RequestHeader) // it is there already
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { failed <- err },
	}
	proxy.ServeHTTP(w, r)
	select {
	case err := <-failed:
		return noLeader(err)
	default:
		return nil
	}
}
