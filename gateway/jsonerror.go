package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// problemRunesMax bounds what a message repeats of the client's text.
const problemRunesMax = 200

var (
	// protojson's errors: "proto: syntax error (line 1:5): ...", "proto: (line 1:5): ...". It separates by a space or a
	// no-break space, at random.
	jsonErrorPattern = regexp.MustCompile(`(?s)^(?:proto:[\s\x{a0}]*)?(syntax error )?(?:\(line (\d+):(\d+)\): )?(.*)$`)
	// It names a field in camelCase; the path, as the client wrote it, takes that name's place.
	invalidValuePattern = regexp.MustCompile(`^invalid value for (\w+) field \S+: `)
)

// explainJSONError makes protojson's error the client's: the path of the field, then what is wrong with it.
func explainJSONError(text []byte, err error) error {
	parts := jsonErrorPattern.FindStringSubmatch(err.Error())
	syntax, line, column, problem := parts[1] != "", parts[2], parts[3], parts[4]
	problem = invalidValuePattern.ReplaceAllString(problem, "invalid value for $1: ")
	problem = truncate(strings.ToValidUTF8(problem, "\uFFFD"))

	position := len(text)
	if line != "" {
		position = offsetOf(text, line, column)
	} else if lone := loneSurrogate(text); lone >= 0 {
		position, problem = lone, "a lone UTF-16 surrogate" // protojson says only "unexpected EOF"
	}
	if syntax {
		problem = fmt.Sprintf("invalid JSON at line %s, column %s: %s", line, column, problem)
	} else if line == "" {
		problem = "invalid JSON: " + problem
	}
	path := fieldPath(text, position)
	if path == "" {
		return badRequest("body", problem)
	}
	return badRequest(path, path+": "+problem)
}

// offsetOf is the byte at a line and column (in characters), both counted from 1.
func offsetOf(text []byte, line, column string) int {
	lines, _ := strconv.Atoi(line)
	columns, _ := strconv.Atoi(column)
	offset := 0
	for ; lines > 1; lines-- {
		newline := bytes.IndexByte(text[offset:], '\n')
		if newline < 0 {
			return len(text)
		}
		offset += newline + 1
	}
	for ; columns > 1 && offset < len(text); columns-- {
		_, size := utf8.DecodeRune(text[offset:])
		offset += size
	}
	return offset
}

// loneSurrogate is the offset of the first escaped UTF-16 surrogate without its other half; -1 if there is none.
func loneSurrogate(text []byte) int {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first, ok := escapedUnit(text[i:])
		switch {
		case !ok:
			i++ // an escape of another kind
		case !utf16.IsSurrogate(first):
			i += unitEscapeBytes - 1
		default:
			second, ok := escapedUnit(text[i+unitEscapeBytes:])
			if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
				return i
			}
			i += 2*unitEscapeBytes - 1
		}
	}
	return -1
}

const unitEscapeBytes = len(`\u0000`)

// escapedUnit reads the UTF-16 code unit that the text begins with, written as \u and four hexadecimal digits.
func escapedUnit(text []byte) (unit rune, ok bool) {
	if len(text) < unitEscapeBytes || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	value, err := strconv.ParseUint(string(text[2:unitEscapeBytes]), 16, 16)
	return rune(value), err == nil
}

// jsonLevel is an object or an array that is open.
type jsonLevel struct {
	array  bool
	index  int    // in an array
	key    string // in an object, the field under way
	hasKey bool
}

// fieldPath is the path of the field at an offset, such as "items[0].sku"; "" outside every field. The text may be
// malformed.
func fieldPath(text []byte, offset int) string {
	var levels []jsonLevel
	for i := 0; i < len(text) && i <= offset; {
		next := i + 1
		var top *jsonLevel
		if len(levels) > 0 {
			top = &levels[len(levels)-1]
		}
		if text[i] == '"' {
			next = stringEnd(text, i)
			if top != nil && !top.array && !top.hasKey {
				top.key, top.hasKey = fieldName(text[i:next]), true
			}
		} else if i < offset {
			levels = stepLevels(levels, top, text[i])
		}
		i = next
	}
	return joinPath(levels)
}

func stepLevels(levels []jsonLevel, top *jsonLevel, c byte) []jsonLevel {
	switch {
	case c == '{':
		return append(levels, jsonLevel{})
	case c == '[':
		return append(levels, jsonLevel{array: true})
	case top == nil:
		return levels
	case c == '}' || c == ']':
		return levels[:len(levels)-1]
	case c == ',' && top.array:
		top.index++
	case c == ',':
		top.key, top.hasKey = "", false
	}
	return levels
}

// stringEnd is the offset after the string that begins at start.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func fieldName(quoted []byte) string {
	var name string
	if err := json.Unmarshal(quoted, &name); err != nil {
		name = strings.Trim(strings.ToValidUTF8(string(quoted), "\uFFFD"), `"`)
	}
	return truncate(name)
}

func joinPath(levels []jsonLevel) string {
	var path strings.Builder
	for _, level := range levels {
		if level.array {
			fmt.Fprintf(&path, "[%d]", level.index)
			continue
		}
		if !level.hasKey {
			break
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(level.key)
	}
	return truncate(path.String())
}

func truncate(s string) string {
	if utf8.RuneCountInString(s) <= problemRunesMax {
		return s
	}
	return string([]rune(s)[:problemRunesMax]) + "..."
}
