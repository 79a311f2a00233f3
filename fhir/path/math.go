package path

import (
	"fmt"
	"math"
	"math/big"
)

// math holds the functions on numbers (FHIRPath 2.0, 5.7). Roots, powers and
// logarithms are computed in float64.
func (ev *evaluator) math(name string, in Collection, args []Collection) (Collection, bool, error) {
	switch name {
	case "abs", "ceiling", "exp", "floor", "ln", "log", "power", "round", "sqrt", "truncate":
	default:
		return nil, false, nil
	}
	it, ok, err := one(in)
	if err != nil || !ok {
		return nil, true, err
	}
	if it.kind == Quantity && name == "abs" {
		return Collection{quantity(new(big.Rat).Abs(it.rat()), it.text)}, true, nil
	}
	n, ok := it.number()
	if !ok {
		return nil, true, fmt.Errorf("%w: %s needs a number", errEval, name)
	}
	var arg *big.Rat
	if len(args) == 1 {
		a, ok, err := one(args[0])
		if err != nil || !ok {
			return nil, true, err
		}
		if arg, ok = a.number(); !ok {
			return nil, true, fmt.Errorf("%w: %s needs a number", errEval, name)
		}
	}
	c, err := calculation(name, it, n, arg)
	return c, true, err
}

func calculation(name string, it Item, n, arg *big.Rat) (Collection, error) {
	switch name {
	case "abs":
		if it.kind == Integer {
			return Collection{Int(max(it.int, -it.int))}, nil
		}
		return Collection{decimal(new(big.Rat).Abs(n))}, nil
	case "floor", "ceiling", "truncate":
		return integer(toward(name, n))
	case "round":
		return round(n, arg)
	}
	x, _ := n.Float64()
	y := math.NaN()
	if arg != nil {
		y, _ = arg.Float64()
	}
	switch name {
	case "exp":
		x = math.Exp(x)
	case "ln":
		x = math.Log(x)
	case "log":
		x = math.Log(x) / math.Log(y)
	case "sqrt":
		x = math.Sqrt(x)
	case "power":
		x = math.Pow(x, y)
		if it.kind == Integer && arg.IsInt() && arg.Sign() >= 0 && math.Abs(x) < 1<<53 {
			return Collection{Int(int64(x))}, nil
		}
	}
	r := new(big.Rat).SetFloat64(x)
	if r == nil {
		return nil, nil
	}
	return Collection{decimal(r)}, nil
}

func toward(name string, n *big.Rat) *big.Int {
	q, m := new(big.Int).QuoRem(n.Num(), n.Denom(), new(big.Int))
	switch {
	case name == "floor" && m.Sign() < 0:
		return q.Sub(q, big.NewInt(1))
	case name == "ceiling" && m.Sign() > 0:
		return q.Add(q, big.NewInt(1))
	}
	return q
}

func integer(n *big.Int) (Collection, error) {
	if !n.IsInt64() {
		return nil, fmt.Errorf("%w: the integer is too large", errEval)
	}
	return Collection{Int(n.Int64())}, nil
}

// round rounds half away from zero to a number of places.
func round(n, places *big.Rat) (Collection, error) {
	p := 0
	if places != nil {
		if !places.IsInt() || places.Sign() < 0 || places.Cmp(big.NewRat(50, 1)) > 0 {
			return nil, fmt.Errorf("%w: round takes 0 to 50 places", errEval)
		}
		p = int(places.Num().Int64())
	}
	r, _ := new(big.Rat).SetString(n.FloatString(p))
	return Collection{decimal(r)}, nil
}
