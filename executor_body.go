package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// answer is what came of an attempt's last exchange.
type answer struct {
	status      int
	protocol    string
	contentType string
	header      http.Header
	tls         *tls.ConnectionState
	retryAfter  time.Time
	location    string   // of a refused redirect
	refused     *failure // why the redirect was refused
	body        bodyRead
}

// bodyRead is a body that has been read, up to the limit.
type bodyRead struct {
	length    int64
	truncated bool // by the limit
	complete  bool // else the connection broke, or time was up
	sum       [sha256.Size]byte
	kept      []byte // the beginning: all of it when the success conditions need it
	buffer    *bodyBuffer
}

// bodyBuffer is the memory of reading one body.
type bodyBuffer struct {
	in   [16 << 10]byte
	kept []byte
}

var bodyBuffers = sync.Pool{New: func() any { return new(bodyBuffer) }}

// release gives the memory of kept back: it is not to be used any more.
func (b *bodyRead) release() {
	if b.buffer == nil {
		return
	}
	if cap(b.kept) <= 64<<10 { // a large one must not stay for good
		b.buffer.kept = b.kept[:0]
	} else {
		b.buffer.kept = nil
	}
	bodyBuffers.Put(b.buffer)
	b.buffer, b.kept = nil, nil
}

// readBody reads at most limit bytes and closes the body; whatever more there is makes it truncated, and costs the connection.
// It keeps all that it read when whole is set, else the first keep bytes. The connection is used again only after a whole body.
func readBody(resp *http.Response, whole bool, limit int64, keep int) (b bodyRead, err error) {
	defer func() { _ = resp.Body.Close() }() // everything that matters has been read
	if whole || int64(keep) > limit {
		keep = int(min(limit, math.MaxInt32))
	}
	var r io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" && resp.ContentLength != 0 && resp.Request.Method != http.MethodHead {
		// Not asked for. The input is bounded too: empty blocks make no output.
		input := &io.LimitedReader{R: resp.Body, N: limit}
		unzipped, err := gzip.NewReader(input)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return b, nil
			}
			return b, &failure{classProtocol, classProtocol, "the body is not the gzip that Content-Encoding says: " + err.Error()}
		}
		r = &gzipInput{unzipped, input}
	}
	hash := sha256.New()
	b.buffer = bodyBuffers.Get().(*bodyBuffer)
	b.kept = b.buffer.kept[:0]
	in := b.buffer.in[:]
	for {
		n, err := r.Read(in)
		if left := limit - b.length; int64(n) > left {
			n, b.truncated = int(left), true
		}
		hash.Write(in[:n])
		b.length += int64(n)
		b.kept = append(b.kept, in[:min(n, keep-len(b.kept))]...)
		if err == errInputLimit {
			b.truncated = true
		}
		if b.truncated || err == io.EOF {
			break
		}
		if err != nil {
			return b, err
		}
	}
	hash.Sum(b.sum[:0])
	b.complete = true
	return b, nil
}

// errInputLimit ends a compressed body whose input is longer than the limit.
var errInputLimit = errors.New("the compressed body is too long")

// gzipInput tells an input cut by the limit from one that ended too early.
type gzipInput struct {
	*gzip.Reader
	input *io.LimitedReader
}

func (g *gzipInput) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err == io.ErrUnexpectedEOF && g.input.N <= 0 {
		err = errInputLimit
	}
	return n, err
}

func (e *Executor) excerptBytes() int { return max(e.settings.ExcerptBytes, 0) }

func (e *Executor) maxBodyBytes() int64 {
	if e.settings.MaxBodyBytes > 0 {
		return e.settings.MaxBodyBytes
	}
	return defaultMaxBodyBytes
}

// response is what is kept of a body: its beginning as valid UTF-8 without secrets, at most excerpt bytes; of a binary one only
// length and hash.
func (b *bodyRead) response(contentType string, excerpt int, mask masking) *Response {
	r := &Response{ContentType: oneLine(mask.String(contentType)), Length: b.length, Truncated: b.truncated || !b.complete}
	if b.length == 0 {
		return r
	}
	if b.complete {
		r.SHA256 = hex.EncodeToString(b.sum[:])
	}
	if r.Binary = binary(b.kept); !r.Binary {
		// Masked before it is cut; what was kept beyond the excerpt is there for that.
		text := mask.String(string(b.kept[:min(len(b.kept), excerpt+mask.Longest())]))
		r.Excerpt = cutText(text, excerpt)
	}
	return r
}

// binary tells whether the beginning of a body is no text: it has a NUL, or is not UTF-8.
func binary(b []byte) bool {
	if i := len(b) - utf8.UTFMax; i >= 0 { // the end may be in the middle of a character
		for j := len(b) - 1; j > i; j-- {
			if utf8.RuneStart(b[j]) {
				if !utf8.FullRune(b[j:]) {
					b = b[:j]
				}
				break
			}
		}
	}
	return bytes.IndexByte(b, 0) >= 0 || !utf8.Valid(b)
}

// cutText is the beginning of s: whole characters, at most n bytes.
func cutText(s string, n int) string {
	if len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// describeTLS adds what an operator wants to know of the other end's certificate.
func describeTLS(r *Remote, s *tls.ConnectionState, now time.Time) {
	r.TLSVersion = tls.VersionName(s.Version)
	if len(s.PeerCertificates) > 0 {
		days := int(math.Floor(s.PeerCertificates[0].NotAfter.Sub(now).Hours() / 24))
		r.CertExpiresDays = &days
	}
}
