package crontab

import (
	"errors"
	"fmt"
	"strings"
)

// shellWords splits a command as sh does. Variables are those that the crontab itself sets. Redirections of the output go;
// everything else that only a shell can do is an error.
func shellWords(command string, env map[string]string) ([]string, error) {
	var words []string
	var b strings.Builder
	inWord := false
	end := func() {
		if inWord {
			words = append(words, b.String())
			b.Reset()
			inWord = false
		}
	}
	for i := 0; i < len(command); i++ {
		switch c := command[i]; c {
		case ' ', '\t':
			end()
		case '\'':
			j := strings.IndexByte(command[i+1:], '\'')
			if j < 0 {
				return nil, errors.New("has a ' without its end")
			}
			b.WriteString(command[i+1 : i+1+j])
			i, inWord = i+1+j, true
		case '"':
			text, next, err := doubleQuoted(command, i+1, env)
			if err != nil {
				return nil, err
			}
			b.WriteString(text)
			i, inWord = next, true
		case '\\':
			if i++; i == len(command) {
				return nil, errors.New(`ends with a \`)
			}
			b.WriteByte(command[i])
			inWord = true
		case '$', '`':
			value, next, err := variable(command, i, env)
			if err != nil {
				return nil, err
			}
			b.WriteString(value)
			i, inWord = next, true
		case '#':
			if !inWord {
				return words, nil
			}
			b.WriteByte(c)
		case '>':
			if inWord && (b.String() == "1" || b.String() == "2" || b.String() == "&") {
				b.Reset()
				inWord = false
			}
			end()
			i = skipTarget(command, i)
		case '&':
			if strings.HasPrefix(command[i:], "&>") {
				end()
				i = skipTarget(command, i+1)
				continue
			}
			end()
			if strings.TrimSpace(command[i:]) == "&" { // cron waits for nothing either way
				return words, nil
			}
			return nil, notShell(command[i:])
		case ';', '|', '<', '(', ')', '{', '}', '\n':
			end()
			rest := strings.TrimSpace(command[i:])
			if rest == ";" || rest == "|| true" || rest == "|| :" || rest == "||:" || rest == "||true" {
				return words, nil // a call that fails never keeps the next one from being made
			}
			if (c == '{' || c == '}') && len(words) > 0 { // {} is the shell's only at the start of a command
				b.WriteByte(c)
				inWord = true
				continue
			}
			return nil, notShell(rest)
		default:
			b.WriteByte(c)
			inWord = true
		}
	}
	end()
	return words, nil
}

func notShell(rest string) error {
	return fmt.Errorf("needs a shell from here on: %.60q; teiki makes one call per job", rest)
}

// skipTarget is the index of the last byte of a redirection whose > is at i.
func skipTarget(s string, i int) int {
	i++
	for i < len(s) && strings.IndexByte(">& \t", s[i]) >= 0 {
		i++
	}
	for i < len(s) && strings.IndexByte(" \t;|&<>", s[i]) < 0 {
		i++
	}
	return i - 1
}

func doubleQuoted(s string, i int, env map[string]string) (text string, end int, err error) {
	var b strings.Builder
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i, nil
		case c == '\\' && i+1 < len(s) && strings.IndexByte("\"\\$`", s[i+1]) >= 0:
			i++
			b.WriteByte(s[i])
		case c == '$' || c == '`':
			value, next, err := variable(s, i, env)
			if err != nil {
				return "", 0, err
			}
			b.WriteString(value)
			i = next
		default:
			b.WriteByte(c)
		}
	}
	return "", 0, errors.New(`has a " without its end`)
}

// variable reads $NAME or ${NAME} at i; end is the index of its last byte.
func variable(s string, i int, env map[string]string) (value string, end int, err error) {
	rest := s[i+1:]
	if s[i] == '`' || strings.HasPrefix(rest, "(") {
		return "", 0, fmt.Errorf("needs the output of another command: %.60q; teiki has {{...}} templates for times and secrets", s[i:])
	}
	braces := strings.HasPrefix(rest, "{")
	if braces {
		rest = rest[1:]
	}
	n := 0
	for n < len(rest) && (rest[n] == '_' || rest[n]|0x20 >= 'a' && rest[n]|0x20 <= 'z' || n > 0 && rest[n] >= '0' && rest[n] <= '9') {
		n++
	}
	name := rest[:n]
	if n == 0 && !braces {
		return "$", i, nil
	}
	end = i + n
	if braces {
		if n == 0 || n == len(rest) || rest[n] != '}' {
			return "", 0, fmt.Errorf("needs a shell: %.60q", s[i:])
		}
		end = i + n + 2
	}
	value, ok := env[name]
	if !ok {
		return "", 0, fmt.Errorf("uses the variable %s, which the crontab does not set; write its value, or {{secret.%s}}", name, name)
	}
	return value, end, nil
}
