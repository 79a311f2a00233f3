package path

import (
	"fmt"
	"math/big"
)

func (ev *evaluator) binary(n *Binary, s *scope) (Collection, error) {
	left, err := ev.eval(n.Left, s)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case "and", "or", "xor", "implies":
		return ev.logic(n, left, s)
	}
	right, err := ev.eval(n.Right, s)
	if err != nil {
		return nil, err
	}
	switch n.Op {
	case "|":
		return ev.distinct(append(left[:len(left):len(left)], right...))
	case "=", "!=", "~", "!~":
		return ev.equality(n.Op, left, right)
	case "<", "<=", ">", ">=":
		return inequality(n.Op, left, right)
	case "in":
		return ev.membership(left, right)
	case "contains":
		return ev.membership(right, left)
	case "&":
		return concatenate(left, right)
	}
	return arithmetic(n.Op, left, right)
}

// logic evaluates the right side only where the left does not decide
// (FHIRPath 2.0, 6.5).
func (ev *evaluator) logic(n *Binary, left Collection, s *scope) (Collection, error) {
	l, lk, err := truth(left)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Op == "and" && lk && !l:
		return boolean(false), nil
	case n.Op == "or" && lk && l, n.Op == "implies" && lk && !l:
		return boolean(true), nil
	}
	right, err := ev.eval(n.Right, s)
	if err != nil {
		return nil, err
	}
	r, rk, err := truth(right)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Op == "and" && rk && !r:
		return boolean(false), nil
	case (n.Op == "or" || n.Op == "implies") && rk && r:
		return boolean(true), nil
	case !lk || !rk:
		return nil, nil
	case n.Op == "xor":
		return boolean(l != r), nil
	case n.Op == "and":
		return boolean(l && r), nil
	case n.Op == "or":
		return boolean(l || r), nil
	}
	return boolean(!l || r), nil
}

func (ev *evaluator) equality(op string, left, right Collection) (Collection, error) {
	if op == "~" || op == "!~" {
		same, err := ev.equivalent(left, right)
		if err != nil {
			return nil, err
		}
		return boolean(same == (op == "~")), nil
	}
	if len(left) == 0 || len(right) == 0 {
		return nil, nil
	}
	same, known, err := ev.equal(left, right)
	if err != nil || !known {
		return nil, err
	}
	return boolean(same == (op == "=")), nil
}

// pair gives the only items of both sides; ok is false when one has none.
func pair(left, right Collection) (a, b Item, ok bool, err error) {
	if a, ok, err = one(left); err != nil || !ok {
		return a, b, false, err
	}
	b, ok, err = one(right)
	return a, b, ok, err
}

func inequality(op string, left, right Collection) (Collection, error) {
	a, b, ok, err := pair(left, right)
	if err != nil || !ok {
		return nil, err
	}
	c, known, err := order(a, b)
	if err != nil || !known {
		return nil, err
	}
	switch op {
	case "<":
		return boolean(c < 0), nil
	case "<=":
		return boolean(c <= 0), nil
	case ">":
		return boolean(c > 0), nil
	}
	return boolean(c >= 0), nil
}

// membership reports whether the one item of left equals one of right.
func (ev *evaluator) membership(left, right Collection) (Collection, error) {
	it, ok, err := one(left)
	if err != nil || !ok {
		return nil, err
	}
	for _, r := range right {
		same, known, err := ev.equal(Collection{it}, Collection{r})
		if err != nil {
			return nil, err
		}
		if same && known {
			return boolean(true), nil
		}
	}
	return boolean(false), nil
}

func concatenate(left, right Collection) (Collection, error) {
	l, _, err := oneText(left)
	if err != nil {
		return nil, err
	}
	r, _, err := oneText(right)
	if err != nil {
		return nil, err
	}
	return Collection{Text(l + r)}, nil
}

func arithmetic(op string, left, right Collection) (Collection, error) {
	a, b, ok, err := pair(left, right)
	if err != nil || !ok {
		return nil, err
	}
	switch {
	case a.kind == String && b.kind == String && op == "+":
		return Collection{Text(a.text + b.text)}, nil
	case (a.kind == Date || a.kind == DateTime || a.kind == Time) && b.kind == Quantity && (op == "+" || op == "-"):
		sign := int64(1)
		if op == "-" {
			sign = -1
		}
		when, err := a.when.add(b.rat(), b.text, sign)
		if err != nil {
			return nil, err
		}
		return Collection{{kind: a.kind, when: when}}, nil
	case a.kind == Quantity && b.kind == Quantity:
		return quantityArithmetic(op, a, b)
	}
	x, xok := a.number()
	y, yok := b.number()
	if !xok || !yok {
		return nil, fmt.Errorf("%w: %s does not work on %s and %s", errEval, op, a.Type(), b.Type())
	}
	r, ok := calculate(op, x, y)
	if !ok {
		return nil, nil
	}
	whole := op == "div" || (a.kind == Integer && b.kind == Integer && op != "/")
	if whole && r.IsInt() && r.Num().IsInt64() {
		return Collection{Int(r.Num().Int64())}, nil
	}
	return bounded(r)
}

// maxDigits bounds the size of exact results.
const maxDigits = 1 << 12

func bounded(r *big.Rat) (Collection, error) {
	if r.Num().BitLen() > maxDigits || r.Denom().BitLen() > maxDigits {
		return nil, fmt.Errorf("%w: a number has too many digits", errEval)
	}
	return Collection{decimal(r)}, nil
}

// calculate gives nothing when dividing by zero.
func calculate(op string, x, y *big.Rat) (*big.Rat, bool) {
	r := new(big.Rat)
	switch op {
	case "+":
		return r.Add(x, y), true
	case "-":
		return r.Sub(x, y), true
	case "*":
		return r.Mul(x, y), true
	}
	if y.Sign() == 0 {
		return nil, false
	}
	r.Quo(x, y)
	if op == "/" {
		return r, true
	}
	whole := new(big.Rat).SetInt(new(big.Int).Quo(r.Num(), r.Denom()))
	if op == "div" {
		return whole, true
	}
	return r.Sub(x, whole.Mul(whole, y)), true
}

// quantityArithmetic works where no conversion of units is needed.
func quantityArithmetic(op string, a, b Item) (Collection, error) {
	r, ok := calculate(op, a.rat(), b.rat())
	if !ok {
		return nil, nil
	}
	switch op {
	case "+", "-":
		if sameUnit(a.text, b.text) {
			return Collection{quantity(r, a.text)}, nil
		}
		return nil, nil
	case "*":
		switch {
		case a.text == "1":
			return Collection{quantity(r, b.text)}, nil
		case b.text == "1":
			return Collection{quantity(r, a.text)}, nil
		}
	case "/":
		switch {
		case sameUnit(a.text, b.text):
			return Collection{quantity(r, "1")}, nil
		case b.text == "1":
			return Collection{quantity(r, a.text)}, nil
		}
	}
	return nil, fmt.Errorf("%w: %s of quantities would need a conversion of units", errEval, op)
}

func (ev *evaluator) unary(n *Unary, s *scope) (Collection, error) {
	c, err := ev.eval(n.Operand, s)
	if err != nil {
		return nil, err
	}
	it, ok, err := one(c)
	if err != nil || !ok {
		return nil, err
	}
	switch it.kind {
	case Integer, Decimal, Quantity:
	default:
		return nil, fmt.Errorf("%w: %s does not work on a %s", errEval, n.Op, it.Type())
	}
	if n.Op == "+" {
		return c, nil
	}
	switch it.kind {
	case Integer:
		return Collection{Int(-it.int)}, nil
	case Decimal:
		return Collection{decimal(new(big.Rat).Neg(it.rat()))}, nil
	}
	return Collection{quantity(new(big.Rat).Neg(it.rat()), it.text)}, nil
}
