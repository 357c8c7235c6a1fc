package apply

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"stargate.io/stargate/api/v1alpha1"
	"stargate.io/stargate/gitsync/tree"
)

// AnnotationDigest on an object tells what was last sent of it, as "<content>-<stamps>": a digest of its
// content, and one of its stamps, so that a stamp that somebody else wrote is seen.
const AnnotationDigest = "stargate.io/digest"

// stamps are the annotations that are put onto what is sent, and are not of its content.
var stamps = []string{
	v1alpha1.AnnotationApply, v1alpha1.AnnotationAuthor, v1alpha1.AnnotationCommit, v1alpha1.AnnotationReleased,
	v1alpha1.AnnotationSignedBy, v1alpha1.AnnotationSource, v1alpha1.AnnotationLabels,
}

// sent is the content of an object as it is sent, which is how the API server keeps it: what a Secret
// gives as text is data there, and data is written in one way.
func sent(o *tree.Object) map[string]any {
	content := o.Content.Object
	if o.Content.GetKind() != "Secret" {
		return content
	}
	data := map[string]any{}
	given, _ := content["data"].(map[string]any)
	for key, value := range given {
		data[key] = value
		if text, ok := value.(string); ok {
			if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
				data[key] = base64.StdEncoding.EncodeToString(raw)
			}
		}
	}
	text, _ := content["stringData"].(map[string]any)
	for key, value := range text {
		data[key] = base64.StdEncoding.EncodeToString([]byte(fmt.Sprint(value)))
	}
	content = maps.Clone(content)
	delete(content, "stringData")
	if len(data) > 0 {
		content["data"] = data
	}
	return content
}

// contentDigest of an object as it is sent.
func contentDigest(content map[string]any) string {
	var b bytes.Buffer
	canonical(&b, content)
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16])
}

// stampDigest of the stamps among annotations; one that says nothing is as good as none.
func stampDigest(annotations map[string]string) string {
	h := make([]byte, 0, 256)
	for _, key := range stamps {
		if value := annotations[key]; value != "" {
			h = append(append(append(append(h, key...), 0), value...), 0)
		}
	}
	sum := sha256.Sum256(h)
	return hex.EncodeToString(sum[:4])
}

// recorded on a live object: what was last sent, and whether the stamps are still what they were.
func recorded(live Object) (content string, stamped bool) {
	annotations := live.GetAnnotations()
	content, stamp, _ := strings.Cut(annotations[AnnotationDigest], "-")
	return content, content != "" && stamp == stampDigest(annotations)
}

// stampsOn a live object.
func stampsOn(live Object) []string {
	var worn []string
	annotations := live.GetAnnotations()
	for _, key := range stamps {
		if _, ok := annotations[key]; ok {
			worn = append(worn, key)
		}
	}
	return worn
}

// canonical form of a value: the same for the same JSON, whatever the order of its keys.
func canonical(b *bytes.Buffer, value any) {
	switch v := value.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			b.WriteString(strconv.Quote(key))
			b.WriteByte(':')
			canonical(b, v[key])
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, item := range v {
			canonical(b, item)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case string:
		b.WriteString(strconv.Quote(v))
	case nil:
		b.WriteString("null")
	default:
		b.WriteString(scalar(v))
	}
}

// scalar as text; a number reads the same whether it was read as an integer or not.
func scalar(value any) string {
	switch v := value.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(value)
}
