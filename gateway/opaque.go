package main

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A saga of a foreign definition, or a service's own error detail, may hold an Any of a type that is not linked here.
// protojson refuses such a message; the API shows the Any as {"@type": <its type>, "value": <its bytes in base64>}.

// wrapUnknownAnys replaces the content of each Any of an unknown type by a BytesValue that holds it.
func wrapUnknownAnys(m protoreflect.Message) {
	if packed, ok := m.Interface().(*anypb.Any); ok {
		wrapUnknownAny(packed)
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					wrapUnknownAnys(v.Message())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				wrapUnknownAnys(value.List().Get(i).Message())
			}
		default:
			wrapUnknownAnys(value.Message())
		}
		return true
	})
}

func wrapUnknownAny(packed *anypb.Any) {
	if packed == nil || packed.TypeUrl == "" {
		return
	}
	if _, err := protoregistry.GlobalTypes.FindMessageByURL(packed.TypeUrl); err == nil {
		return
	}
	if wrapped, err := proto.Marshal(wrapperspb.Bytes(packed.Value)); err == nil {
		packed.Value = wrapped
	}
}

// opaqueResolver takes every unknown type for the BytesValue that wrapUnknownAnys made of it.
type opaqueResolver struct{}

func (opaqueResolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (opaqueResolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	if known, err := protoregistry.GlobalTypes.FindMessageByURL(url); err == nil {
		return known, nil
	}
	return (*wrapperspb.BytesValue)(nil).ProtoReflect().Type(), nil
}

func (opaqueResolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

func (opaqueResolver) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (
	protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, number)
}
