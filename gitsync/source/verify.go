package source

func (v *Verify) judge(raw []byte) (string, string) { return "", "" }
