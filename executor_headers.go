package main

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// reservedHeaders are those that a job may not set: they frame the message or belong to the connection, or they are teiki's
// own, and a target must be able to believe them.
var reservedHeaders = map[string]string{
	"Host":                "follows from target_url",
	"Content-Length":      "follows from the body",
	"Transfer-Encoding":   "follows from the body",
	"Connection":          "belongs to the connection",
	"Keep-Alive":          "belongs to the connection",
	"Proxy-Connection":    "belongs to the connection",
	"Proxy-Authenticate":  "belongs to the connection",
	"Proxy-Authorization": "belongs to the proxy: put the credentials into HTTPS_PROXY",
	"Te":                  "belongs to the connection",
	"Trailer":             "belongs to the connection",
	"Upgrade":             "belongs to the connection",
	"Http2-Settings":      "belongs to the connection",
	"Expect":              "is not supported",
	"Idempotency-Key":     "is set by teiki: the same for every attempt of a run",
	"X-Idempotency-Key":   "would make HTTP libraries send a call twice; teiki sends Idempotency-Key",
	"Traceparent":         "is set by teiki",
	"Webhook-Id":          "is set by signing_secret",
	"Webhook-Timestamp":   "is set by signing_secret",
	"Webhook-Signature":   "is set by signing_secret",
}

// headerName is the canonical form of a header that a job may set; wrong says why it may not.
func headerName(name string) (key, wrong string) {
	if !httpguts.ValidHeaderFieldName(name) {
		return "", "is not the name of a header: letters, digits and !#$%&'*+-.^_`|~ are allowed"
	}
	key = http.CanonicalHeaderKey(name)
	if why, ok := reservedHeaders[key]; ok {
		return "", "can't be set: it " + why
	}
	if strings.HasPrefix(key, "Teiki-") {
		return "", "can't be set: headers that start with Teiki- are set by teiki"
	}
	return key, ""
}

// portableHeaders are the ones that follow a redirect to another origin: none that identifies or lets in.
var portableHeaders = []string{"User-Agent", "Accept", "Accept-Language", "Content-Type"}
