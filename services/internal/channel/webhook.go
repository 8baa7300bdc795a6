package channel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"

	"reprotect.example/events"
	"reprotect.example/services/notifier"
)

// webhook posts the notification as it stands on the bus, a CloudEvent, signed as Standard Webhooks says: whoever has the
// secret can tell that it comes from here, when, and whether it came before by its id.
func webhook(o Options) (func(context.Context, notifier.Message) error, error) {
	address, err := webAddress(o.Address)
	if err != nil {
		return nil, err
	}
	var key []byte
	if o.Secret != "" {
		if key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(o.Secret, "whsec_")); err != nil || len(key) < 24 || len(key) > 64 {
			return nil, errors.New("the secret must be whsec_ and 24 to 64 bytes in base64, as Standard Webhooks says")
		}
	}
	return func(ctx context.Context, m notifier.Message) error {
		body, err := events.Encode(events.Event[events.Note]{Header: m.Header, Data: m.Note})
		if err != nil {
			return refused(err)
		}
		headers := map[string]string{"Content-Type": "application/cloudevents+json; charset=utf-8"}
		if key != nil {
			id, at := strings.ReplaceAll(m.ID, ".", "-"), strconv.FormatInt(o.Now().Unix(), 10)
			headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"] = id, at, sign(key, id, at, body)
		}
		return post(ctx, o, address, headers, body)
	}, nil
}

// sign is the signature of a body, version 1.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
