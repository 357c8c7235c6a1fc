package rollout

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// defaultGuard is what may be repaved without an approval where nothing says otherwise.
const defaultGuard = "10%"

// Allowance is how many repaves a guard lets pass unasked, of so many servers: a number as it stands,
// a percentage rounded down but never below one. What cannot be read lets nothing pass.
func Allowance(guard *intstr.IntOrString, total int) int {
	if guard == nil {
		return share(intstr.FromString(defaultGuard), total, 0)
	}
	return share(*guard, total, 0)
}

// MaxUnavailable of a group with so many servers. What is not said, or cannot be read, is one.
func MaxUnavailable(limit *intstr.IntOrString, total int) int {
	if limit == nil {
		return 1
	}
	return max(share(*limit, total, 1), 1)
}

// share of a total: a number as it stands, a percentage rounded down but never below one.
func share(of intstr.IntOrString, total, otherwise int) int {
	if of.Type == intstr.Int {
		return max(int(of.IntVal), 0)
	}
	text, percent := strings.CutSuffix(of.StrVal, "%")
	n, err := strconv.Atoi(text)
	if !percent || err != nil || n < 1 || n > 100 {
		return otherwise
	}
	return max(int(int64(total)*int64(n)/100), 1)
}
