package crontab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Request is the call that a command makes, in a job's fields.
type Request struct {
	TargetURL         string            `json:"target_url"`
	Method            string            `json:"method"`
	Headers           map[string]string `json:"headers,omitempty"`
	Body              json.RawMessage   `json:"body,omitempty"`
	BodyText          *string           `json:"body_text,omitempty"`
	TimeoutSec        float64           `json:"timeout_sec,omitempty"`
	ConnectTimeoutSec float64           `json:"connect_timeout_sec,omitempty"`
	MaxRetries        int               `json:"max_retries,omitempty"`
	RetryBackoffSec   float64           `json:"retry_backoff_sec,omitempty"`
	Redirects         *Redirects        `json:"redirects,omitempty"`
	Auth              *Auth             `json:"auth,omitempty"`
}

// Redirects is a job's field of that name.
type Redirects struct {
	Follow int `json:"follow"`
}

// Auth is a job's field of that name.
type Auth struct {
	Basic  *Basic `json:"basic,omitempty"`
	Bearer string `json:"bearer,omitempty"`
}

// Basic is a user name and a password.
type Basic struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// call is a command while it is read.
type call struct {
	Request
	input  *string // what stands on standard input
	urls   []string
	data   []string
	isData bool
	get    bool // the data belongs into the query
	json   bool // -H Content-Type: application/json and Accept are implied
	notes  []string
}

func (c *call) note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// Command reads one curl or wget command line, as it stands in a shell.
func Command(line string) (*Request, []string, error) {
	words, err := shellWords(line, nil)
	if err != nil {
		return nil, nil, err
	}
	return readCommand(words, nil)
}

// readCommand finds curl or wget behind the commands that only run others, and reads it.
func readCommand(words []string, input *string) (*Request, []string, error) {
	c := &call{input: input}
	for len(words) > 0 {
		name := path.Base(words[0])
		var err error
		switch name {
		case "curl":
			err = c.options(words[1:], curlOptions)
		case "wget":
			c.Redirects = &Redirects{maxFollow}
			err = c.options(words[1:], wgetOptions)
		case "exec", "command", "chronic", "nohup":
			words = words[1:]
			continue
		case "nice", "ionice", "env", "timeout", "flock", "setlock":
			if words, err = c.wrapper(name, words[1:]); err != nil {
				return nil, nil, err
			}
			continue
		default:
			if i := strings.IndexByte(words[0], '='); i > 0 && !strings.ContainsAny(words[0][:i], "/.") {
				words = words[1:] // NAME=value before the command
				continue
			}
			return nil, nil, fmt.Errorf("runs %.60q; only curl and wget are calls that teiki can make", words[0])
		}
		if err != nil {
			return nil, nil, err
		}
		return c.finish()
	}
	return nil, nil, errors.New("has no command")
}

// wrapper takes a command that runs another one off the front.
func (c *call) wrapper(name string, words []string) ([]string, error) {
	withValue := map[string]string{"nice": "n", "ionice": "cnp", "env": "u", "timeout": "ks", "flock": "wEc"}[name]
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		option := words[0]
		words = words[1:]
		if len(option) == 2 && strings.Contains(withValue, option[1:]) && len(words) > 0 {
			if option == "-c" && name == "flock" {
				return nil, errors.New("flock -c needs a shell")
			}
			words = words[1:]
		}
	}
	switch name {
	case "env":
		for len(words) > 0 && strings.Contains(words[0], "=") {
			words = words[1:]
		}
	case "timeout":
		if len(words) == 0 {
			return nil, errors.New("timeout has no duration")
		}
		unit := map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}[words[0][max(0, len(words[0])-1)]]
		n, err := strconv.ParseFloat(strings.TrimRight(words[0], "smhd"), 64)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("timeout %.40q is no duration", words[0])
		}
		if unit == 0 {
			unit = 1
		}
		c.TimeoutSec, words = n*unit, words[1:]
	case "flock", "setlock":
		if len(words) == 0 {
			return nil, errors.New("flock has no file")
		}
		c.note("the lock file %s was not carried over: max_instances keeps the runs of one job apart, but not those of several jobs", words[0])
		words = words[1:]
	}
	return words, nil
}

// seconds reads a number of seconds.
func seconds(option, v string) (float64, error) {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || n < 0 || n > 1e6 {
		return 0, fmt.Errorf("%s %.40q is no number of seconds", option, v)
	}
	return n, nil
}

func (c *call) header(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if strings.HasPrefix(line, "@") {
		return errors.New("reads headers from a file, which is not here")
	}
	if !ok {
		if name, empty := strings.CutSuffix(line, ";"); empty {
			c.set(name, "")
			return nil
		}
		return fmt.Errorf("the header %.60q has no colon", line)
	}
	if strings.TrimSpace(value) == "" {
		c.note("-H '%s' takes a header away that teiki may send", line)
		return nil
	}
	c.set(name, strings.TrimSpace(value))
	return nil
}

// set sets a header in its usual spelling, once.
func (c *call) set(name, value string) {
	if c.Headers == nil {
		c.Headers = map[string]string{}
	}
	for known := range c.Headers {
		if strings.EqualFold(known, strings.TrimSpace(name)) {
			name = known
		}
	}
	c.Headers[strings.TrimSpace(name)] = value
}

func (c *call) headerValue(name string) string {
	for k, v := range c.Headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// addData adds a part of the body. file tells whether a leading @ names a file.
func (c *call) addData(v string, file, keepLines bool) error {
	if file && strings.HasPrefix(v, "@") {
		if v != "@-" || c.input == nil {
			return fmt.Errorf("reads its body from the file %.60q, which is not here; write it into body or body_text", v[1:])
		}
		v = *c.input
		if !keepLines {
			v = strings.NewReplacer("\r", "", "\n", "").Replace(v)
		}
	}
	c.data, c.isData = append(c.data, v), true
	return nil
}

// finish makes the request of what was read.
func (c *call) finish() (*Request, []string, error) {
	if len(c.urls) != 1 {
		if len(c.urls) == 0 {
			return nil, nil, errors.New("has no URL")
		}
		return nil, nil, fmt.Errorf("calls %d URLs; make one job of each", len(c.urls))
	}
	target := c.urls[0]
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, nil, fmt.Errorf("%.60q is no URL of http or https", target)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		if c.Auth == nil {
			c.Auth = &Auth{Basic: &Basic{u.User.Username(), password}}
		}
		u.User = nil
		target = u.String()
	}
	data := strings.Join(c.data, "&")
	if c.json {
		data = strings.Join(c.data, "")
	}
	switch {
	case c.isData && c.get:
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + data
	case c.isData:
		if !utf8.ValidString(data) {
			return nil, nil, errors.New("its body is not UTF-8; write it into body_base64")
		}
		c.body(data)
	}
	if c.TargetURL = target; c.Method == "" {
		c.Method = "GET"
		if c.isData && !c.get {
			c.Method = "POST"
		}
	}
	if c.input != nil && !c.isData {
		c.note("its standard input (after %%) goes nowhere and was not carried over")
	}
	return &c.Request, c.notes, nil
}

func (c *call) body(data string) {
	media, _, _ := strings.Cut(c.headerValue("Content-Type"), ";")
	if strings.TrimSpace(strings.ToLower(media)) == "application/json" && json.Valid([]byte(data)) {
		c.Body = json.RawMessage(data)
		return
	}
	if media == "" {
		c.set("Content-Type", "application/x-www-form-urlencoded")
	}
	c.BodyText = &data
}
