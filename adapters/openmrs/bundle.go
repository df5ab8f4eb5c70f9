package openmrs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/njia-health/njia/engine/message"
)

// bundle is what is used of a searchset.
type bundle struct {
	ResourceType string `json:"resourceType"`
	Meta         struct {
		LastUpdated string `json:"lastUpdated"`
	} `json:"meta"`
	Total *int `json:"total"`
	Link  []struct {
		Relation string `json:"relation"`
		URL      string `json:"url"`
	} `json:"link"`
	Entry []entry `json:"entry"`
}

type entry struct {
	Resource json.RawMessage `json:"resource"`
	Search   struct {
		Mode string `json:"mode"`
	} `json:"search"`
}

func (b bundle) next() string {
	for _, l := range b.Link {
		if l.Relation == "next" {
			return l.URL
		}
	}
	return ""
}

// row is one resource as it came, and what is needed of it.
type row struct {
	typ, id string
	version string    // meta.versionId
	updated time.Time // meta.lastUpdated; zero where there is none
	status  string
	made    string // when it was made, where the resource says so
	hash    string // of its content
	raw     json.RawMessage
}

// readRow reads a resource. OpenMRS's versionId is the second of the last change, so two changes in one second, and any of
// an order, differ in content only: the hash is part of what a version is.
func readRow(raw json.RawMessage) (row, error) {
	v, err := message.Decode(raw)
	if err != nil {
		return row{}, err
	}
	m, _ := v.(map[string]any)
	r := row{raw: raw}
	r.typ, _ = m["resourceType"].(string)
	r.id, _ = m["id"].(string)
	r.status, _ = m["status"].(string)
	r.made, _ = m["authoredOn"].(string)
	if r.made == "" {
		r.made, _ = m["recordedDate"].(string)
	}
	if meta, ok := m["meta"].(map[string]any); ok {
		r.version, _ = meta["versionId"].(string)
		s, _ := meta["lastUpdated"].(string)
		r.updated, _ = time.Parse(time.RFC3339Nano, s)
	}
	content := make(map[string]any, len(m))
	for k, v := range m {
		if k != "meta" && k != "text" { // a search tags what it shortens, and leaves the text out
			content[k] = v
		}
	}
	b, err := message.Encode(content)
	if err != nil {
		return row{}, err
	}
	sum := sha256.Sum256(b)
	r.hash = hex.EncodeToString(sum[:8])
	if r.id == "" {
		r.id = "#" + r.hash
	}
	return r, nil
}

func (r row) name() string  { return r.typ + "/" + r.id }
func (r row) state() string { return r.version + "." + r.hash }
