package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// schemas makes JSON schemas of Go types and remembers them under a name.
type schemas struct {
	made object
}

// body is the schema of a body: of a value's type, or the one that a string names in extraSchemas.
func (s *schemas) body(v any) object {
	if name, ok := v.(string); ok {
		if _, known := s.made[name]; !known {
			s.made[name] = object{}
			s.made[name] = extraSchemas()[name](s)
		}
		return reference(name)
	}
	return s.of(reflect.TypeOf(v))
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

// schemaNames are the names of types in the document, where it is not the Go name with a capital letter.
var schemaNames = map[string]string{"jobView": "Job", "runView": "Run", "jobAnswer": "JobStatus", "runAnswer": "RunStatus", "versionView": "Version", "keyView": "Key",
	"newKeyView": "NewKey", "auditView": "AuditEntry", "importView": "ImportedJob", "pauseView": "Pause", "backfillView": "BackfilledFiring"}

func schemaName(t reflect.Type) string {
	if n, ok := schemaNames[t.Name()]; ok {
		return n
	}
	return strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
}

// of is the schema of a type, by reference when it is a struct with a name.
func (s *schemas) of(t reflect.Type) object {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case reflect.TypeFor[json.RawMessage]():
		return object{}
	case reflect.TypeFor[Grace]():
		return object{"type": []string{"number", "null"}, "minimum": 0}
	case reflect.TypeFor[Strings]():
		return object{"oneOf": []object{{"type": "string"}, {"type": "array", "items": object{"type": "string"}}}}
	case reflect.TypeFor[Status]():
		return object{"type": "string", "enum": statuses}
	case reflect.TypeFor[Trigger]():
		return object{"type": "string", "enum": triggers}
	}
	switch t.Kind() {
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case reflect.Slice:
		return object{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		if t.Name() == "" {
			return s.structure(t, "")
		}
		name := schemaName(t)
		if _, ok := s.made[name]; !ok {
			s.made[name] = object{} // against types that contain themselves
			s.made[name] = s.structure(t, name)
		}
		return reference(name)
	}
	panic(fmt.Sprintf("no schema for %v", t)) // found by the first test that reads the document
}

// nullable lets a schema also be null.
func nullable(schema object) object {
	if kind, ok := schema["type"].(string); ok && schema["enum"] == nil {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	return object{"oneOf": []object{schema, {"type": "null"}}}
}

// structure is the schema of a struct: its members, embedded ones included, and no others.
func (s *schemas) structure(t reflect.Type, name string) object {
	properties, required := object{}, []string{}
	s.members(t, name, properties, &required, map[string]int{}, 0)
	out := object{"type": "object", "properties": properties, "additionalProperties": false}
	if words := schemaWords[name]; words != "" {
		out["description"] = words
	}
	if own, ok := requiredMembers[name]; ok {
		required = own
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// members adds the members of t. Of two with one name the less deeply embedded counts, as in encoding/json.
func (s *schemas) members(t reflect.Type, name string, properties object, required *[]string, depths map[string]int, depth int) {
	for f := range t.Fields() {
		if f.Anonymous {
			s.members(f.Type, name, properties, required, depths, depth+1)
			continue
		}
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		if before, ok := depths[tag]; ok && before <= depth {
			continue
		}
		depths[tag] = depth
		var schema object
		if own, ok := memberSchemas[name+"."+tag]; ok {
			schema = own(s)
		} else if own, ok := memberSchemas[tag]; ok {
			schema = own(s)
		} else {
			schema = s.of(f.Type)
		}
		if words, ok := memberWords[name+"."+tag]; ok {
			schema = withWords(schema, words)
		} else if words, ok := memberWords[tag]; ok {
			schema = withWords(schema, words)
		}
		properties[tag] = schema
		if !strings.Contains(options, "omit") {
			*required = append(*required, tag)
		}
	}
}

// withWords adds a description; to a reference too, which OpenAPI 3.1 allows.
func withWords(schema object, words string) object {
	out := object{"description": words}
	for k, v := range schema {
		out[k] = v
	}
	return out
}

func rawExample(text string) any {
	if !json.Valid([]byte(text)) {
		return text
	}
	return json.RawMessage(text)
}

// typeOf is the type of a value.
func typeOf(v any) reflect.Type { return reflect.TypeOf(v) }
