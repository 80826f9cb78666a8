// Package fill gives every field of a value something, so that tests notice a field that a stored form lacks.
package fill

import (
	"reflect"
	"testing"
	"time"

	"sessiontool/lib/sessionid"
	"sessiontool/lib/x25519"
)

// Value sets what pointer points to, and every field in it, to something else than the zero value. Slices get one
// element.
func Value(t testing.TB, pointer any) {
	t.Helper()
	set(t, reflect.ValueOf(pointer).Elem())
}

func set(t testing.TB, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2020, 6, 5, 12, 0, 0, 0, time.UTC)))
		return
	case sessionid.ID:
		v.Set(reflect.ValueOf(sessionid.FromPublicKey(x25519.PublicKey{9})))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			set(t, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		set(t, v.Index(0))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(3)
	case reflect.Float64:
		v.SetFloat(1.5)
	default:
		t.Fatalf("no value of type %s", v.Type())
	}
}
