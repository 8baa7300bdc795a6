package events

import (
	"fmt"
	"strings"
)

// cutMark is in the error of a dead letter whose original is not whole.
const cutMark = "bytes of the original are cut"

// EncodeDead writes a dead letter. Of an original that is too large to be kept whole it keeps the beginning, and its
// error says so.
func EncodeDead(e Event[Dead]) ([]byte, error) {
	if over := len(e.Data.Original) - MaxSize/2; over > 0 { // base64 grows it by a third
		e.Data.Original = e.Data.Original[:MaxSize/2]
		if !strings.Contains(e.Data.Error, cutMark) {
			e.Data.Error += fmt.Sprintf(" (the last %d "+cutMark+")", over)
		}
	}
	return Encode(e)
}

// Cut says whether the original was too large to be kept whole.
func (d Dead) Cut() bool { return strings.Contains(d.Error, cutMark) }
