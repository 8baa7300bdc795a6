package asr

import (
	"reprotect.example/services/faults"
	"reprotect.example/services/observed"
)

// Codes of our own: for what Site Recovery says without a code, and for what goes wrong before it is asked. What
// they mean stands in the catalogue of faults.
const (
	CodeAgentNotInstalled = "azure.agent-not-installed"
	CodeConflict          = "azure.conflict"
	CodeUnreachable       = "azure.unreachable" // no connection
	CodeCertificate       = "azure.certificate" // not trusted
	CodeLogin             = "azure.login"       // no token, or a refused one
	CodeForbidden         = "azure.forbidden"
	CodeNotFound          = "azure.not-found"
	CodeThrottled         = "azure.throttled"
	CodeUnavailable       = "azure.unavailable" // 5xx
	CodeTimeout           = "azure.timeout"
	CodeInterrupted       = "azure.interrupted" // the caller's context ended
	CodeUnexpected        = "azure.unexpected"  // an answer that is not Resource Manager's
	CodeNoJob             = "azure.no-job"      // accepted, but without the id of a job
	CodeOptions           = "azure.options"     // the client's options are wrong
	CodeInput             = "azure.input"       // the call's own values are wrong
)

// Explain says who can do something about an error of a job or a refusal, and what. An unknown code is the
// operator's, without a remedy: show Azure's recommended action then.
func Explain(code, message string) (observed.Class, string) {
	known, ok := lookUp(code, message)
	if !ok {
		return observed.Operator, ""
	}
	return known.Class, known.Remedy()
}

func lookUp(code, message string) (faults.Row, bool) {
	return faults.Recognize(faults.Azure, code, message)
}
