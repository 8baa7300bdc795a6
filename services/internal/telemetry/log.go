// Package telemetry is how an operator sees the services from outside: logs, metrics, and whether they are
// ready.
package telemetry

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// NewLogger writes one JSON object a line to w (standard error for programs), from level (debug, info, warn,
// error) upwards. Nothing is sampled away: the rare line is the one that is looked for.
func NewLogger(w io.Writer, level string) (*zap.Logger, error) {
	from, err := zapcore.ParseLevel(level)
	if err != nil || from > zapcore.ErrorLevel {
		return nil, fmt.Errorf("log level %q: use debug, info, warn or error", level)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey = "time"
	encoding.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.Lock(zapcore.AddSync(w)), from)
	return zap.New(core, zap.AddCaller(), zap.AddStacktrace(zapcore.DPanicLevel)), nil
}
