package commission

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fature/fature/internal/fault"
)

// What a document can cost to read.
const (
	maxDocument = 1 << 20 // bytes
	maxNesting  = 16
	maxItems    = 1000 // of a list or an object; what a plan needs is bounded lower by Validate
	maxProblems = 200  // then reading stops: more would not help
	maxWhole    = 1_000_000
)

// Parse reads a plan document and validates it. It tells every problem at
// once, each an InvalidError of the kind fault.Invalid whose field is a path
// such as rules[2].pay.tiers.steps[1].up_to: unknown and repeated fields, wrong
// types, and all that Validate refuses. Documents over 1 MiB, and anything
// after the document, are refused.
func Parse(data []byte) (Document, error) {
	root, err := readTree(data)
	if err != nil {
		return Document{}, err
	}
	var doc Document
	d := decoder{}
	d.value("", root, reflect.ValueOf(&doc).Elem())
	doc.trim()
	if err := doc.Validate(); err != nil {
		d.add(err)
	}
	if len(d.problems) > 0 {
		return Document{}, errors.Join(d.problems...)
	}
	return doc, nil
}

// trim makes optional lists that are empty ones that are not given, which is
// what they mean.
func (d *Document) trim() {
	if len(d.Caps) == 0 {
		d.Caps = nil
	}
	for i := range d.Rules {
		r := &d.Rules[i]
		if len(r.Base.Minus) == 0 {
			r.Base.Minus = nil
		}
		if len(r.Recoup) == 0 {
			r.Recoup = nil
		}
	}
}

// UnmarshalJSON is Parse, so that a document within another JSON value is read
// as strictly.
func (d *Document) UnmarshalJSON(data []byte) error {
	doc, err := Parse(data)
	if err == nil {
		*d = doc
	}
	return err
}

// node is a JSON value as it was written: repeated keys and numbers are kept.
type node struct {
	kind  byte // '{', '[', '"', 'n' for a number, 'b' for a boolean, '0' for null
	text  string
	keys  []string // of an object, beside items
	items []node
}

// what names a node in a problem.
func (n node) what() string {
	return map[byte]string{
		'{': "an object", '[': "a list", '"': "a string", 'n': "a number", 'b': "a boolean", '0': "null",
	}[n.kind]
}

func readTree(data []byte) (node, error) {
	switch {
	case len(data) > maxDocument:
		return node{}, fault.Field("", "the document is longer than %d bytes", maxDocument)
	case !utf8.Valid(data):
		return node{}, fault.Field("", "the document is not valid UTF-8")
	}
	// The whole text is checked first, so that what follows meets only JSON.
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return node{}, fault.Field("", "the document is not JSON: %s", place(data, err))
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return readNode(dec, maxNesting)
}

// place adds line and column to a syntax error.
func place(data []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return err.Error()
	}
	before := data[:min(int(syntax.Offset), len(data))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := len(before) - bytes.LastIndexByte(before, '\n') - 1
	return fmt.Sprintf("line %d, column %d: %v", line, column, err)
}

func readNode(dec *json.Decoder, depth int) (node, error) {
	token, err := dec.Token()
	if err != nil {
		return node{}, fault.Field("", "the document is not JSON: %v", err)
	}
	switch t := token.(type) {
	case string:
		return node{kind: '"', text: t}, nil
	case json.Number:
		return node{kind: 'n', text: t.String()}, nil
	case bool:
		return node{kind: 'b', text: strconv.FormatBool(t)}, nil
	case json.Delim:
		if depth == 0 {
			return node{}, fault.Field("", "the document is nested deeper than %d", maxNesting)
		}
		return readItems(dec, node{kind: byte(t)}, depth-1)
	}
	return node{kind: '0'}, nil
}

// readItems reads what stands between a bracket and its end.
func readItems(dec *json.Decoder, n node, depth int) (node, error) {
	for dec.More() {
		if len(n.items) == maxItems {
			return n, fault.Field("", "the document has a list or an object of more than %d items", maxItems)
		}
		if n.kind == '{' {
			key, err := dec.Token()
			if err != nil {
				return n, fault.Field("", "the document is not JSON: %v", err)
			}
			n.keys = append(n.keys, key.(string))
		}
		item, err := readNode(dec, depth)
		if err != nil {
			return n, err
		}
		n.items = append(n.items, item)
	}
	_, err := dec.Token() // the closing bracket
	return n, err
}

// decoder puts a tree into the document's structs and collects what does not
// fit.
type decoder struct {
	problems []error
	mistyped []string // paths of values of the wrong type: Validate would only find them missing
}

func (d *decoder) note(path, format string, args ...any) {
	d.problems = append(d.problems, fault.Field(path, format, args...))
}

func (d *decoder) wrong(path, format string, args ...any) {
	d.mistyped = append(d.mistyped, path)
	d.note(path, format, args...)
}

// add takes over the problems that Validate found, except those that only
// repeat what was mistyped.
func (d *decoder) add(err error) {
	for _, problem := range fault.Fields(err) {
		if !d.full() && !d.repeats(problem.Field) {
			d.problems = append(d.problems, problem)
		}
	}
}

func (d *decoder) repeats(path string) bool {
	for _, wrong := range d.mistyped {
		if within(path, wrong) || within(wrong, path) {
			return true
		}
	}
	return false
}

// within tells whether the path is the other one or lies below it.
func within(path, other string) bool {
	rest, ok := strings.CutPrefix(path, other)
	return ok && (rest == "" || other == "" || rest[0] == '.' || rest[0] == '[')
}

// full tells that enough problems were found.
func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

func (d *decoder) value(path string, n node, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		d.object(path, n, v)
	case reflect.Map:
		d.mapping(path, n, v)
	case reflect.Slice:
		d.list(path, n, v)
	case reflect.Int:
		d.whole(path, n, v)
	default: // the rest of the document is text
		d.text(path, n, v)
	}
}

func (d *decoder) object(path string, n node, v reflect.Value) {
	if !d.braced(path, n) {
		return
	}
	seen := map[string]bool{}
	for i := 0; i < len(n.keys) && !d.full(); i++ {
		key := n.keys[i]
		at := below(path, key)
		field, known := fieldOf(v, key)
		switch {
		case seen[key]:
			d.note(at, "is given twice")
		case !known:
			d.note(at, "is not a field of the plan document")
		default:
			d.value(at, n.items[i], field)
		}
		seen[key] = true
	}
}

// braced refuses what is not an object with something in it.
func (d *decoder) braced(path string, n node) bool {
	switch {
	case n.kind != '{':
		d.wrong(path, "is %s, not an object", n.what())
	case len(n.keys) == 0 && path != "":
		d.wrong(path, "is empty")
	default:
		return true
	}
	return false
}

// fieldOf finds the field of a struct by its name in JSON.
func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *decoder) mapping(path string, n node, v reflect.Value) {
	if !d.braced(path, n) {
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i < len(n.keys) && !d.full(); i++ {
		key := n.keys[i]
		at := below(path, key)
		k := reflect.ValueOf(key).Convert(v.Type().Key())
		if v.MapIndex(k).IsValid() {
			d.note(at, "is given twice")
			continue
		}
		item := reflect.New(v.Type().Elem()).Elem()
		if item.Kind() == reflect.Slice {
			d.texts(at, n.items[i], item)
		} else {
			d.value(at, n.items[i], item)
		}
		v.SetMapIndex(k, item)
	}
}

func (d *decoder) list(path string, n node, v reflect.Value) {
	if n.kind != '[' {
		d.wrong(path, "is %s, not a list", n.what())
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i := 0; i < len(n.items) && !d.full(); i++ {
		d.value(fmt.Sprintf("%s[%d]", path, i), n.items[i], v.Index(i))
	}
}

// texts reads the values of a metadata condition: one scalar or a list of
// them, as text.
func (d *decoder) texts(path string, n node, v reflect.Value) {
	items, at := n.items, func(i int) string { return fmt.Sprintf("%s[%d]", path, i) }
	if n.kind != '[' {
		items, at = []node{n}, func(int) string { return path }
	}
	values := make([]string, len(items))
	for i, item := range items {
		text, ok := item.text, item.kind == '"' || item.kind == 'b'
		if item.kind == 'n' {
			text, ok = plainNumber(item.text)
		}
		if !ok && !d.full() {
			d.wrong(at(i), "is %s that cannot be compared: give a string, a boolean or a number", item.what())
		}
		values[i] = text
	}
	v.Set(reflect.ValueOf(values))
}

func (d *decoder) whole(path string, n node, v reflect.Value) {
	if n.kind != 'n' {
		d.wrong(path, "is %s, not a whole number", n.what())
		return
	}
	i, err := strconv.Atoi(n.text)
	if err != nil || i < 1 || i > maxWhole {
		d.wrong(path, "is not a whole number from 1 to %d", maxWhole)
		return
	}
	v.SetInt(int64(i))
}

func (d *decoder) text(path string, n node, v reflect.Value) {
	switch {
	case n.kind == 'n' && v.Type() == reflect.TypeFor[Decimal]():
		d.wrong(path, `is a number; decimals are strings, such as "12.34"`)
	case n.kind != '"':
		d.wrong(path, "is %s, not a string", n.what())
	case n.text == "":
		d.wrong(path, "is empty")
	default:
		v.SetString(n.text)
	}
}

// below is the path of a key.
func below(path, key string) string {
	if !validID(key) || strings.Contains(key, ".") {
		return fmt.Sprintf("%s[%.40q]", path, key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
