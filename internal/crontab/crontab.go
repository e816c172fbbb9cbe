// Package crontab turns a crontab(5) file whose commands are curl and wget into jobs, and says what it could not carry over. It
// knows the field names of a job's JSON and no more of teiki.
package crontab

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Options say how the file is to be read.
type Options struct {
	UserColumn bool // the form of /etc/crontab and /etc/cron.d: a user stands between schedule and command
}

// Job is one line of the file as a job.
type Job struct {
	Line  int      `json:"-"` // in the file, from 1
	Notes []string `json:"-"` // what of the line could not be carried over, and does not keep the job from working

	Request
	ScheduleType string   `json:"schedule_type"`
	Cron         string   `json:"cron"`
	Timezone     string   `json:"timezone,omitempty"`
	Name         string   `json:"name,omitempty"`
	Description  string   `json:"description,omitempty"`
	Tags         []string `json:"tags,omitempty"`
}

// Skipped is a line that is no job, and why.
type Skipped struct {
	Line   int
	Text   string
	Reason string
}

// maxLine bounds a line of a crontab, in bytes; cron itself takes about a thousand.
const maxLine = 64 << 10

var setting = regexp.MustCompile(`^\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z_][A-Za-z0-9_]*))\s*=\s*(.*?)\s*$`)

// Read reads a crontab. Its error means that the file itself cannot be read; whatever is wrong with a line is in skipped.
func Read(file io.Reader, o Options) (jobs []Job, skipped []Skipped, err error) {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxLine)
	env := map[string]string{}
	comment := ""
	n := 0
	for lines.Scan() {
		n++
		text := strings.TrimSpace(strings.TrimSuffix(lines.Text(), "\r"))
		if n == 1 {
			text = strings.TrimPrefix(text, "\ufeff")
		}
		if text == "" {
			comment = ""
			continue
		}
		if rest, ok := strings.CutPrefix(text, "#"); ok {
			comment = strings.TrimSpace(rest)
			continue
		}
		if m := setting.FindStringSubmatch(text); m != nil && !startsSchedule(text) {
			env[m[1]+m[2]+m[3]] = unquote(m[4])
			continue
		}
		job, reason := readLine(text, env, o)
		if reason != "" {
			skipped = append(skipped, Skipped{n, text, reason})
		} else {
			job.Line, job.Name, job.Description, job.Tags = n, cut(comment, 200), text, []string{"crontab"}
			jobs = append(jobs, *job)
		}
		comment = ""
	}
	if err := lines.Err(); err != nil {
		return nil, nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	return jobs, skipped, nil
}

func startsSchedule(text string) bool { return strings.ContainsAny(text[:1], "0123456789*@-") }

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

func cut(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most])
	}
	return s
}

// words of crontab(5) that stand for a whole schedule; FreeBSD's two have no word in teiki.
var schedules = map[string]string{"@yearly": "@yearly", "@annually": "@annually", "@monthly": "@monthly", "@weekly": "@weekly", "@daily": "@daily",
	"@midnight": "@midnight", "@hourly": "@hourly", "@every_minute": "* * * * *"}

func readLine(text string, env map[string]string, o Options) (*Job, string) {
	text = strings.TrimPrefix(text, "-") // cronie: do not log the command
	count := 5
	if strings.HasPrefix(text, "@") {
		count = 1
	}
	job := &Job{ScheduleType: "cron", Timezone: env["CRON_TZ"]}
	fields, rest := split(text, count)
	if len(fields) < count || rest == "" {
		return nil, fmt.Sprintf("is no crontab line: %d schedule fields and a command are expected", count)
	}
	job.Cron = strings.Join(fields, " ")
	if count == 1 {
		word := strings.ToLower(fields[0])
		if word == "@reboot" {
			return nil, "@reboot has no time: teiki calls at times only; let the service manager make this call"
		}
		known, ok := schedules[word]
		if !ok {
			return nil, fmt.Sprintf("%.40s is not a word of crontab(5)", fields[0])
		}
		job.Cron = known
	}
	if strings.Contains(job.Cron, "~") {
		return nil, "a random time (~) is chosen anew by cron at each start; choose one, or use the cron object with jitter"
	}
	if o.UserColumn {
		user, command := split(rest, 1)
		if command == "" {
			return nil, "has no command after the user's name"
		}
		if rest = command; user[0] != "root" {
			job.Notes = append(job.Notes, fmt.Sprintf("ran as the user %q; calls have no user", user[0]))
		}
	}
	command, input, hasInput := percent(rest)
	if tz := env["TZ"]; tz != "" && job.Timezone == "" {
		job.Notes = append(job.Notes, "TZ="+tz+" set the zone of the command, not of its schedule (that is CRON_TZ): it was not carried over")
	}
	words, err := shellWords(command, env)
	if err != nil {
		return nil, err.Error()
	}
	var in *string
	if hasInput {
		in = &input
	}
	request, notes, err := readCommand(words, in)
	if err != nil {
		return nil, err.Error()
	}
	job.Request = *request
	job.Notes = append(job.Notes, notes...)
	return job, ""
}

// split takes count words off the front of a text.
func split(text string, count int) (fields []string, rest string) {
	rest = strings.TrimLeft(text, " \t")
	for len(fields) < count && rest != "" {
		i := strings.IndexAny(rest, " \t")
		if i < 0 {
			return append(fields, rest), ""
		}
		fields, rest = append(fields, rest[:i]), strings.TrimLeft(rest[i:], " \t")
	}
	return fields, rest
}

// percent does what cron does with the command: the first % that no \ protects ends it, the rest is its standard input with
// each further % a line feed.
func percent(text string) (command, input string, hasInput bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text) && text[i+1] == '%':
			b.WriteByte('%')
			i++
		case c == '%' && !hasInput:
			command, hasInput = b.String(), true
			b.Reset()
		case c == '%':
			b.WriteByte('\n')
		default:
			b.WriteByte(c)
		}
	}
	if !hasInput {
		return b.String(), "", false
	}
	return command, b.String(), true
}
