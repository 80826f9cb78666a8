package trace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// otlpSchema has the messages of opentelemetry.proto.trace.v1 that a trace uses, with the names, numbers and types of
// their fields: name, number and type, "*" for repeated, and "!" for a field of the oneof. Names of traces and spans are
// bytes there; their JSON form is hex instead of base64, so they are texts here, and the test checks them.
var otlpSchema = map[string][]string{
	"TracesData":    {"*resource_spans 1 ResourceSpans"},
	"ResourceSpans": {"resource 1 Resource", "*scope_spans 2 ScopeSpans", "schema_url 3 string"},
	"Resource":      {"*attributes 1 KeyValue", "dropped_attributes_count 2 uint32"},
	"ScopeSpans":    {"scope 1 InstrumentationScope", "*spans 2 Span", "schema_url 3 string"},
	"InstrumentationScope": {"name 1 string", "version 2 string", "*attributes 3 KeyValue",
		"dropped_attributes_count 4 uint32"},
	"Span": {"trace_id 1 string", "span_id 2 string", "trace_state 3 string", "parent_span_id 4 string",
		"name 5 string", "kind 6 int32", "start_time_unix_nano 7 fixed64", "end_time_unix_nano 8 fixed64",
		"*attributes 9 KeyValue", "dropped_attributes_count 10 uint32", "*events 11 Event",
		"dropped_events_count 12 uint32", "dropped_links_count 14 uint32", "status 15 Status", "flags 16 fixed32"},
	"Event": {"time_unix_nano 1 fixed64", "name 2 string", "*attributes 3 KeyValue",
		"dropped_attributes_count 4 uint32"},
	"Status":   {"message 2 string", "code 3 int32"},
	"KeyValue": {"key 1 string", "value 2 AnyValue"},
	"AnyValue": {"!string_value 1 string", "!bool_value 2 bool", "!int_value 3 int64", "!double_value 4 double"},
}

var otlpTypes = map[string]descriptorpb.FieldDescriptorProto_Type{
	"string": descriptorpb.FieldDescriptorProto_TYPE_STRING, "uint32": descriptorpb.FieldDescriptorProto_TYPE_UINT32,
	"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"fixed64": descriptorpb.FieldDescriptorProto_TYPE_FIXED64, "fixed32": descriptorpb.FieldDescriptorProto_TYPE_FIXED32,
	"bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL, "double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
}

// otlpMessage makes an empty TracesData.
func otlpMessage(t *testing.T) protoreflect.ProtoMessage {
	t.Helper()
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("trace.proto"), Package: proto.String("otlp"), Syntax: proto.String("proto3"),
	}
	for name, fields := range otlpSchema {
		message := &descriptorpb.DescriptorProto{Name: proto.String(name)}
		for _, text := range fields {
			parts := strings.Fields(text)
			field := &descriptorpb.FieldDescriptorProto{
				Name: proto.String(strings.TrimLeft(parts[0], "*!")), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
				Number: proto.Int32(number(t, parts[1])),
			}
			if parts[0][0] == '*' {
				field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			if parts[0][0] == '!' {
				field.OneofIndex = proto.Int32(0)
			}
			if kind, ok := otlpTypes[parts[2]]; ok {
				field.Type = kind.Enum()
			} else {
				field.Type, field.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".otlp."+parts[2])
			}
			message.Field = append(message.Field, field)
		}
		if name == "AnyValue" {
			message.OneofDecl = []*descriptorpb.OneofDescriptorProto{{Name: proto.String("value")}}
		}
		file.MessageType = append(file.MessageType, message)
	}
	built, err := protodesc.NewFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dynamicpb.NewMessage(built.Messages().ByName("TracesData"))
}

// The document is what the published messages of OpenTelemetry allow, without an unknown field.
func TestOTLP(t *testing.T) {
	one := example(t)
	document, err := OTLP([]Trace{one, one}, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	message := otlpMessage(t)
	if err := protojson.Unmarshal(document, message); err != nil {
		t.Fatalf("%v in\n%s", err, document)
	}
	var read struct {
		ResourceSpans []struct {
			ScopeSpans []struct {
				Spans []struct {
					TraceID, SpanID, ParentSpanID string
					Kind                          int
					StartTimeUnixNano             string
					Status                        struct{ Code int }
				}
			}
		}
	}
	if err := json.Unmarshal(document, &read); err != nil {
		t.Fatal(err)
	}
	spans := read.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 4 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, span := range spans {
		for text, size := range map[string]int{span.TraceID: 16, span.SpanID: 8, span.ParentSpanID: 8 * (i % 2)} {
			if raw, err := hex.DecodeString(text); err != nil || len(raw) != size || size > 0 && bytes.Equal(raw, make([]byte, size)) {
				t.Errorf("span %d has the name %q", i, text)
			}
		}
	}
	if spans[0].Kind != otlpInternal || spans[1].Kind != otlpClient || spans[0].Status.Code != otlpOK ||
		spans[1].Status.Code != otlpError || spans[0].StartTimeUnixNano != "1796040000000000000" {
		t.Errorf("spans %+v", spans)
	}
	for _, want := range []string{
		`{"key":"n","value":{"intValue":"-3"}}`, `{"key":"share","value":{"doubleValue":2}}`,
		`{"key":"slow","value":{"boolValue":true}}`, `{"key":"service.version","value":{"stringValue":"1.2.3"}}`,
	} {
		if !strings.Contains(string(document), want) {
			t.Errorf("%s is not in\n%s", want, document)
		}
	}
	if empty, err := OTLP(nil, ""); err != nil || protojson.Unmarshal(empty, otlpMessage(t)) != nil {
		t.Errorf("no trace is written as %s, %v", empty, err)
	}
}

// number reads the number of a field.
func number(t *testing.T, text string) int32 {
	t.Helper()
	read, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return int32(read)
}
