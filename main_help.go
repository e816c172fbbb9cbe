package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// printHelp writes what -h shows: the commands and the settings table.
func printHelp(w io.Writer) {
	fmt.Fprint(w, "teiki calls HTTP APIs on a schedule.\n\nUsage:\n")
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "  teiki [flags]\tserve the API and run the jobs")
	for _, c := range commands() {
		if c.help == "" {
			continue
		}
		fmt.Fprintf(tab, "  %s\t%s\n", strings.TrimRight("teiki "+c.name+" "+c.args, " "), c.help)
	}
	_ = tab.Flush()
	fmt.Fprint(w, "\nFlags, each also an environment variable (the flag wins):\n")
	for _, o := range settingsTable() {
		fmt.Fprintf(w, "  -%s %s  (%s, default %s)\n        %s\n", o.name, o.value, o.env(), shownPreset(o), o.help)
	}
}

func shownPreset(o setting) string {
	if o.preset == "" {
		return "(empty)"
	}
	return o.preset
}

// settingsMarkdown is the README's table of settings; a test holds the two together.
func settingsMarkdown() string {
	var b strings.Builder
	b.WriteString("| Flag | Environment | Default | Meaning |\n| --- | --- | --- | --- |\n")
	for _, o := range settingsTable() {
		fmt.Fprintf(&b, "| `-%s` | `%s` | `%s` | %s |\n", o.name, o.env(), shownPreset(o), o.help)
	}
	return b.String()
}
