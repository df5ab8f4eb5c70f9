package http

import (
	"context"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/njia-health/njia/engine/fault"
	"github.com/njia-health/njia/engine/message"
)

// Paging is how to find the next page.
type Paging struct {
	Next     string `yaml:"next" doc:"where the address of the next page stands: link (the header Link), bundle (a FHIR Bundle's link), or a JSON pointer such as /meta/next"`
	Items    string `yaml:"items" doc:"JSON pointer to the list in each page, such as /results; the page itself unless said otherwise, of a bundle its entries"`
	MaxPages int    `yaml:"max-pages" doc:"most pages that are asked for; more are an error, and not cut off"`
}

// pages asks for all pages. The answer is the list of all items; of bundles it is the first one with all entries.
func (c *system) pages(ctx context.Context, k call) (message.Message, error) {
	p := k.paging
	if p.Next == "" {
		return c.exchange(ctx, k)
	}
	k.as = "json"
	pointer := p.Items
	if p.Next == "bundle" && pointer == "" {
		pointer = "/entry"
	}
	left := int64(c.s.MaxAnswer)
	all := []any{}
	var first message.Message
	seen := map[string]bool{}
	for n := 1; ; n++ {
		if n > p.MaxPages {
			return message.Message{}, fault.New(fault.Rejected, "%s: more than %d pages (max-pages); narrow the question", what(k), p.MaxPages)
		}
		seen[k.url.String()] = true
		m, err := c.roundTrip(ctx, k, left)
		if err != nil {
			return message.Message{}, err
		}
		left -= int64(len(m.Body))
		if err := valueOf(&m, k); err != nil {
			return message.Message{}, err
		}
		if n == 1 {
			first = m
		}
		items, err := itemsAt(m.Value, pointer, k)
		if err != nil {
			return message.Message{}, err
		}
		all = append(all, items...)
		next := nextPage(m, p.Next)
		if next == "" {
			break
		}
		ref, err := url.Parse(next)
		if err != nil {
			return message.Message{}, fault.New(fault.Rejected, "%s: the address of page %d is none", what(k), n+1)
		}
		to := k.url.ResolveReference(ref)
		if to.Host != k.url.Host || to.Scheme != k.url.Scheme {
			return message.Message{}, fault.New(fault.Rejected, "%s: page %d is at %s://%s, another host, which is not followed; does the system know its own address?", what(k), n+1, to.Scheme, to.Host)
		}
		if seen[to.String()] {
			return message.Message{}, fault.New(fault.Rejected, "%s: page %d leads back to an earlier one", what(k), n+1)
		}
		k.url = to
	}
	return joined(first, all, p, pointer), nil
}

func joined(first message.Message, all []any, p Paging, pointer string) message.Message {
	out := message.Message{Status: first.Status, Type: "application/json", Headers: first.Headers, Value: all}
	if tree, ok := first.Value.(map[string]any); ok && p.Next == "bundle" && pointer == "/entry" {
		whole := map[string]any{}
		for name, v := range tree {
			if name != "link" {
				whole[name] = v
			}
		}
		if len(all) > 0 {
			whole["entry"] = all
		}
		out.Value, out.Type = whole, first.Type
	}
	return out
}

func itemsAt(page any, pointer string, k call) ([]any, error) {
	v := at(page, pointer)
	switch v := v.(type) {
	case []any:
		return v, nil
	case nil:
		return nil, nil
	}
	where := pointer
	if where == "" {
		where = "the answer itself"
	}
	return nil, fault.New(fault.Rejected, "%s: %s is no list; say in paging: { items: /… } where it stands", what(k), where)
}

// at gives what a JSON pointer (RFC 6901) leads to, or nil.
func at(v any, pointer string) any {
	if pointer == "" || pointer == "/" {
		return v
	}
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// nextPage gives the address of the next page, or "".
func nextPage(m message.Message, next string) string {
	switch next {
	case "link":
		return linkNext(m.Headers["link"])
	case "bundle":
		links, _ := at(m.Value, "/link").([]any)
		for _, l := range links {
			if at(l, "/relation") == "next" {
				s, _ := at(l, "/url").(string)
				return s
			}
		}
		return ""
	}
	s, _ := at(m.Value, next).(string)
	return s
}

// linkNext reads the header Link. RFC 8288.
func linkNext(header string) string {
	for _, m := range regexp.MustCompile(`<([^>]*)>([^<]*)`).FindAllStringSubmatch(header, -1) {
		for param := range strings.SplitSeq(m[2], ";") {
			name, v, _ := strings.Cut(strings.TrimSpace(strings.TrimRight(strings.TrimSpace(param), ",")), "=")
			if strings.EqualFold(strings.TrimSpace(name), "rel") {
				for rel := range strings.FieldsSeq(strings.Trim(strings.TrimSpace(v), `"`)) {
					if strings.EqualFold(rel, "next") {
						return m[1]
					}
				}
			}
		}
	}
	return ""
}
