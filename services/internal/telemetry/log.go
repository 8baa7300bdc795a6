// Package telemetry is how an operator sees the services from outside: logs, metrics, and whether they are
// ready.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
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

// Slog is the same log for the rooms that know only the standard library's.
func Slog(log *zap.Logger) *slog.Logger {
	const never = slog.LevelError + 100 // what needs a stack has it
	return slog.New(zapslog.NewHandler(log.Core(), zapslog.WithCaller(true), zapslog.AddStacktraceAt(never)))
}
