package cli

import (
	"reflect"

	"reprotect.example/services/cases"
)

// plain is a copy in which every text, of whatever field, is one line that cannot steer a terminal: names, reasons and the
// words of Azure come from elsewhere. What is shared with the original stays as it was.
func plain[T any](it T) T {
	copied := reflect.New(reflect.TypeFor[T]()).Elem()
	clean(copied, reflect.ValueOf(it))
	return copied.Interface().(T) //nolint:forcetypeassert // it was made so
}

func clean(to, from reflect.Value) {
	switch from.Kind() { // all others hold no text
	case reflect.String:
		to.SetString(cases.OneLine(from.String()))
	case reflect.Pointer:
		if !from.IsNil() {
			to.Set(reflect.New(from.Type().Elem()))
			clean(to.Elem(), from.Elem())
		}
	case reflect.Slice:
		if !from.IsNil() {
			to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
			for i := range from.Len() {
				clean(to.Index(i), from.Index(i))
			}
		}
	case reflect.Struct:
		to.Set(from) // with what is not exported: times
		for i := range from.NumField() {
			if from.Type().Field(i).IsExported() {
				clean(to.Field(i), from.Field(i))
			}
		}
	default:
		to.Set(from)
	}
}
