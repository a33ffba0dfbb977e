package main

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/fature/fature"
	"github.com/fature/fature/commission"
	"github.com/fature/fature/internal/fault"
)

// malformed is what cannot be read at all: 400, where a value that can be read
// and is refused is 422.
type malformed struct{ error }

func (m malformed) Unwrap() error { return m.error }

// What a document may cost beyond its bytes: no list of the library takes more,
// and more problems would help nobody.
const (
	longestList  = fature.MaxBatch
	mostProblems = 20
)

// bodyOf reads the one JSON document of a request.
func bodyOf[T any](c *call) (T, error) {
	var into T
	data, err := wholeBody(c)
	if err != nil {
		return into, err
	}
	return into, decode(data, &into)
}

// optionalBody is bodyOf for a request that may come without one.
func optionalBody[T any](c *call) (into T, err error) {
	data, err := wholeBody(c)
	if err != nil || len(data) == 0 {
		return into, err
	}
	return into, decode(data, &into)
}

// wholeBody reads what take has let in.
func wholeBody(c *call) ([]byte, error) {
	var data bytes.Buffer
	data.Grow(int(max(c.ContentLength, 0)) + bytes.MinRead)
	_, err := data.ReadFrom(c.Body)
	if err != nil && !errors.As(err, new(*tooLarge)) {
		err = malformed{errors.New("the body ended early")}
	}
	return data.Bytes(), err
}

// decode reads one JSON document into a pointer to a struct, more strictly than
// encoding/json: unknown and repeated fields, names in another case, text that
// is not UTF-8, and anything after the document are refused, each by its path.
func decode(data []byte, into any) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return malformed{errors.New("the body is empty")}
	case !utf8.Valid(data):
		return malformed{errors.New("the body is not valid UTF-8")}
	}
	if !json.Valid(data) {
		err := json.Unmarshal(data, new(json.RawMessage)) // which tells why
		return malformed{fmt.Errorf("the body is not one JSON document: %w", err)}
	}
	var d decoder
	d.value("", bytes.TrimSpace(data), reflect.ValueOf(into).Elem())
	if d.unreadable {
		return malformed{d.Done()}
	}
	return d.Done()
}

// decoder collects what does not fit.
type decoder struct {
	fault.Check
	unreadable bool
	problems   int
}

func (d *decoder) wrong(path, format string, args ...any) {
	d.unreadable = true
	d.refused(path, fault.Field("", format, args...))
}

// refused notes what is wrong with a value that can be read; nil is nothing.
func (d *decoder) refused(path string, err error) {
	if err != nil {
		d.problems++
		d.Err(path, err)
	}
}

// mayBeNull is an id of which null says something else than nothing does.
type mayBeNull struct {
	given bool
	id    *uuid.UUID // nil: null
}

func (d *decoder) value(path string, raw json.RawMessage, v reflect.Value) {
	if into, ok := v.Addr().Interface().(*mayBeNull); ok {
		into.given = true
		if string(raw) != "null" {
			into.id = new(uuid.UUID)
			parsed(d, path, raw, into.id, parseID)
		}
		return
	}
	if string(raw) == "null" && path != "" {
		return // as if it were not given
	}
	switch into := v.Addr().Interface().(type) {
	case *json.RawMessage:
		*into = raw
	case *uuid.UUID:
		parsed(d, path, raw, into, parseID)
	case *time.Time:
		parsed(d, path, raw, into, parseTime)
	case json.Unmarshaler: // a plan document, which tells its own paths
		d.refused(path, into.UnmarshalJSON(raw))
	case *map[string]any:
		d.metadata(path, raw, into)
	default:
		d.plain(path, raw, v)
	}
}

func (d *decoder) plain(path string, raw json.RawMessage, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		d.object(path, raw, v)
	case v.Kind() == reflect.Slice:
		d.list(path, raw, v)
	case v.Type() == reflect.TypeFor[commission.Decimal]() && what(raw) == "a number":
		d.wrong(path, `is a number; amounts are strings, such as "12.34"`)
	case v.Kind() == reflect.String && raw[0] == '"' && !v.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		text, _ := textOf(raw)
		v.SetString(text)
	case json.Unmarshal(raw, v.Addr().Interface()) == nil:
	case v.Kind() == reflect.Bool:
		d.wrong(path, "is %s, not true or false", what(raw))
	default:
		d.wrong(path, "is %s, not a string", what(raw))
	}
}

// what names a JSON value.
func what(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func (d *decoder) object(path string, raw json.RawMessage, v reflect.Value) {
	if raw[0] != '{' {
		d.wrong(path, "is %s, not an object", what(raw))
		return
	}
	fields := fieldsIn(v.Type())
	seen := make([]bool, len(fields))
	each(raw, func(key string, item json.RawMessage) bool {
		at := key
		if path != "" {
			at = path + "." + key
		}
		f, known := fields[key]
		switch {
		case !known:
			d.wrong(clip(at), "is not a field here")
		case seen[f.place]:
			d.wrong(at, "is given twice")
		default:
			seen[f.place] = true
			d.value(at, item, v.FieldByIndex(f.index))
		}
		return d.problems < mostProblems
	})
}

func (d *decoder) list(path string, raw json.RawMessage, v reflect.Value) {
	if raw[0] != '[' {
		d.wrong(path, "is %s, not a list", what(raw))
		return
	}
	each(raw, func(_ string, item json.RawMessage) bool {
		if v.Len() == longestList {
			d.refused(path, fault.Field("", "has more than %d items", longestList))
			return false
		}
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(fmt.Sprintf("%s[%d]", path, v.Len()-1), item, v.Index(v.Len()-1))
		return d.problems < mostProblems
	})
}

// metadata keeps numbers as they are written.
func (d *decoder) metadata(path string, raw json.RawMessage, into *map[string]any) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(into) != nil {
		d.wrong(path, "is %s, not an object", what(raw))
	}
}

// each walks the items of an object or a list, which is known to be JSON, until
// item has had enough. It copies nothing: a batch is large.
func each(raw json.RawMessage, item func(key string, raw json.RawMessage) bool) {
	object, rest := raw[0] == '{', between(raw[1:])
	for rest[0] != '}' && rest[0] != ']' {
		key := ""
		if object {
			end := valueEnd(rest)
			key, _ = textOf(rest[:end])
			rest = between(rest[end:])
		}
		end := valueEnd(rest)
		if !item(key, rest[:end:end]) {
			return
		}
		rest = between(rest[end:])
	}
}

// between is what follows spaces, a comma or a colon.
func between(raw []byte) []byte { return bytes.TrimLeft(raw, " \t\r\n,:") }

// valueEnd is where the value ends that raw begins with.
func valueEnd(raw []byte) int {
	depth := 0
	for i := 0; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			for i++; raw[i] != '"'; i++ {
				if raw[i] == '\\' {
					i++
				}
			}
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth <= 0 {
				return i + depth + 1 // without the bracket of what it is in
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
	}
	return len(raw)
}

// field is where a field lies in its struct, and which of its fields it is.
type field struct {
	index []int
	place int
}

// fieldsOfTypes keeps what fieldsIn has found: the types are those of bodies.
var fieldsOfTypes sync.Map

// fieldsIn are the fields of a struct by their names in JSON, also those of what
// is embedded.
func fieldsIn(t reflect.Type) map[string]field {
	if kept, ok := fieldsOfTypes.Load(t); ok {
		return kept.(map[string]field)
	}
	fields := map[string]field{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			found, again := fields[name]
			if !again {
				found.place = len(fields)
			}
			found.index = f.Index
			fields[name] = found
		}
	}
	fieldsOfTypes.Store(t, fields)
	return fields
}

// textOf is the text of a JSON string, whose bytes are those of the text unless
// something is escaped; of another value it is not one.
func textOf(raw json.RawMessage) (text string, ok bool) {
	if raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), true
	}
	err := json.Unmarshal(raw, &text)
	return text, err == nil && raw[0] == '"'
}

// parsed reads a string and what it says.
func parsed[T any](d *decoder, path string, raw json.RawMessage, into *T, parse func(string) (T, error)) {
	text, ok := textOf(raw)
	if !ok {
		d.wrong(path, "is %s, not a string", what(raw))
		return
	}
	value, err := parse(text)
	*into = value
	d.refused(path, err)
}

func parseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 {
		return uuid.Nil, fault.Field("", "%.40q is not a UUID", text)
	}
	return id, nil
}

// parseTime reads a time, which is UTC from here on: a zone that Go reads may be
// one that it does not write.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	t = t.UTC()
	if err != nil || t.Year() < 0 || t.Year() > 9999 {
		return time.Time{}, fault.Field("", "%.40q is not a time such as 2026-11-24T13:00:00Z", text)
	}
	return t, nil
}

// clip keeps a made-up name from filling the answer.
func clip(text string) string {
	if len(text) > 100 {
		return strings.ToValidUTF8(text[:100], "") + "…"
	}
	return text
}
