package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// benchDisplay shows how far a measuring is: one line that is written over on a terminal, lines elsewhere.
type benchDisplay struct {
	w        io.Writer
	terminal bool
	started  time.Time
	name     string
	last     string
}

func newBenchDisplay(w io.Writer) *benchDisplay {
	return &benchDisplay{w: w, terminal: isTerminal(w), started: time.Now()}
}

// phase begins a case.
func (d *benchDisplay) phase(name string) { d.name, d.last = name, "" }

// step tells what is being done.
func (d *benchDisplay) step(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	at := time.Since(d.started).Round(time.Second)
	if d.terminal {
		fmt.Fprintf(d.w, "\r\x1b[K%6s  %s  %s", at, d.name, text)
		return
	}
	if text != d.last {
		fmt.Fprintf(d.w, "%6s  %s  %s\n", at, d.name, text)
	}
	d.last = text
}

// progress is step with a share of the way, in quarters where lines cannot be written over.
func (d *benchDisplay) progress(what string, done, of float64) {
	share := min(1, done/max(of, 1e-9))
	if !d.terminal {
		share = math.Floor(share*4) / 4
	}
	n := int(share * 20)
	d.step("%s [%s%s] %3.0f %%", what, strings.Repeat("#", n), strings.Repeat(".", 20-n), share*100)
}

func (d *benchDisplay) end() {
	if d.terminal {
		fmt.Fprint(d.w, "\r\x1b[K")
	}
}

// number is a figure for people: three or four digits, thousands separated.
func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "not measured"
	case f == math.Trunc(f) && math.Abs(f) < 1000:
		return strconv.FormatFloat(f, 'f', 0, 64)
	case math.Abs(f) < 10:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case math.Abs(f) < 1000:
		return strconv.FormatFloat(f, 'f', 1, 64)
	}
	s := strconv.FormatFloat(math.Abs(f), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if f < 0 {
		s = "-" + s
	}
	return s
}

func printBenchTable(w io.Writer, rows []benchRow) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "case\twhat\tmeasured\tlimit\t")
	last := ""
	for _, r := range rows {
		name := r.Case
		if name == last {
			name = ""
		}
		last = r.Case
		verdict := ""
		switch {
		case !r.OK:
			verdict = "FAIL"
		case r.Limit != "":
			verdict = "ok"
		case r.Note != "":
			verdict = "(" + r.Note + ")"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\n", name, r.What, strings.TrimSpace(number(float64(r.Measured))+" "+r.Unit), r.Limit, verdict)
	}
	_ = tab.Flush()
}
