package main

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// route is one method of one path of a face.
type route struct {
	operation string          // "OrdersService_CreateOrder"
	takesBody bool            // a JSON body is required
	query     map[string]bool // the query parameters it knows
}

// pathRoutes are the methods of one path template.
type pathRoutes struct {
	segments []string // a variable is "{name}"
	verb     string   // ":retry", after the last segment; "" for most
	methods  map[string]route
}

// routes are the paths of one face. Immutable.
type routes []pathRoutes

// newRoutes takes from the document what belongs to the named gRPC services.
func newRoutes(d document, services []string) routes {
	var rs routes
	for template, operations := range d.Paths {
		template, verb := cutVerb(template)
		path := pathRoutes{segments: splitPath(template), verb: verb, methods: map[string]route{}}
		for method, op := range operations {
			if !slices.ContainsFunc(op.Tags, func(tag string) bool { return slices.Contains(services, tag) }) {
				continue
			}
			path.methods[strings.ToUpper(method)] = newRoute(op)
		}
		if get, ok := path.methods[http.MethodGet]; ok {
			path.methods[http.MethodHead] = get
		}
		if len(path.methods) > 0 {
			rs = append(rs, path)
		}
	}
	// A path with a verb goes before the one whose variable would take the verb in.
	slices.SortFunc(rs, func(a, b pathRoutes) int { return len(b.verb) - len(a.verb) })
	return rs
}

// cutVerb parts the path "/v1/sagas/{saga_id}:retry" and its verb ":retry".
func cutVerb(template string) (path, verb string) {
	if i := strings.LastIndex(template, "}:"); i >= 0 {
		return template[:i+1], template[i+1:]
	}
	return template, ""
}

func newRoute(op operation) route {
	r := route{operation: op.ID, query: map[string]bool{}}
	for _, p := range op.Parameters {
		switch p.In {
		case "body":
			r.takesBody = true
		case "query":
			r.query[p.Name] = true
		}
	}
	return r
}

// match finds the route of a request: 404 if no path fits, 405 with the methods allowed if only the method does not.
func (rs routes) match(r *http.Request) (route, error) {
	path := r.URL.RawPath // set only where it differs from what Path says, as with %2F
	if path == "" {
		path = r.URL.Path
	}
	segments := splitPath(path)
	for _, candidate := range rs {
		if !candidate.matches(segments) {
			continue
		}
		if found, ok := candidate.methods[r.Method]; ok {
			return found, nil
		}
		return route{}, methodNotAllowed(r.Method, candidate.allow())
	}
	return route{}, pathNotFound(r.URL.Path)
}

func (p pathRoutes) matches(segments []string) bool {
	if len(segments) != len(p.segments) {
		return false
	}
	for i, want := range p.segments {
		segment := segments[i]
		if i == len(p.segments)-1 {
			var hasVerb bool
			if segment, hasVerb = strings.CutSuffix(segment, p.verb); !hasVerb {
				return false
			}
		}
		if strings.HasPrefix(want, "{") {
			if segment == "" {
				return false
			}
		} else if segment != want {
			return false
		}
	}
	return true
}

func (p pathRoutes) allow() string {
	var methods []string
	for m := range p.methods {
		methods = append(methods, m)
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}

func splitPath(path string) []string {
	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}

// checkURL refuses query parameters that the route does not know, by name, and text that is not UTF-8.
func (rt route) checkURL(r *http.Request) error {
	if !utf8.ValidString(r.URL.Path) {
		return badRequest("path", "the path is not valid UTF-8")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("query", "malformed query: "+truncate(err.Error()))
	}
	for name, list := range values {
		if !rt.query[name] {
			shown := truncate(name)
			return badRequest(shown, "unknown query parameter "+strconv.Quote(shown))
		}
		for _, value := range list {
			if !utf8.ValidString(value) {
				return badRequest(name, "query parameter "+name+" is not valid UTF-8")
			}
		}
	}
	return nil
}
