package odoo

import (
	"context"

	"github.com/njia-health/njia/engine/adapter"
)

// EncodeXML and DecodeXML are the codec.
var (
	EncodeXML = encodeXML
	DecodeXML = decodeXML
	Same      = same
)

// Open opens a client without the decoder of settings.
func Open(env adapter.Env, s Settings) (*client, error) { return open(context.Background(), env, s) }

// Judge gives the value or fault of an answer.
func Judge(protocol string, status int, kind string, body []byte) (any, error) {
	r := reply{status: status, kind: kind, body: body}
	switch protocol {
	case "xmlrpc":
		return readXML("test", false, r)
	case "json2":
		return readJSON2("test", false, r)
	}
	return readJSONRPC("test", false, r)
}
