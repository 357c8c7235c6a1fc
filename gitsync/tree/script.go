package tree

// inline puts the text of a Hook's scriptFile in its place. Where there is none to put, a stand-in keeps the schema
// from telling of it once more.
func (r *reading) inline() {
	spec, _ := r.object["spec"].(map[string]any)
	if r.kind.name != "Hook" || spec["scriptFile"] == nil {
		return
	}
	text := r.scriptText(spec)
	delete(spec, "scriptFile")
	spec["script"] = text
}

func (r *reading) scriptText(spec map[string]any) string {
	const standIn = "return"
	name, text := spec["scriptFile"].(string)
	if !text {
		r.notText("spec.scriptFile", spec["scriptFile"])
		return standIn
	}
	if spec["script"] != nil {
		r.problem("spec.scriptFile", "both spec.script and spec.scriptFile are given", "keep one of the two")
		return standIn
	}
	path, inside := within(r.chunk.file, name)
	if !inside {
		r.problem("spec.scriptFile", "the file "+quoted(name)+" is outside of the tree", "name a .lua file beside the Hook, without '..'")
		return standIn
	}
	data, has := r.scripts[path]
	if !has {
		r.problem("spec.scriptFile", "there is no file "+quoted(path), didYouMean(path, keysOf(r.scripts), "add the file to the commit; its name ends in .lua"))
		return standIn
	}
	if line, ok := invalidText(data); !ok {
		r.problem("spec.scriptFile", "the file "+quoted(path)+" is not UTF-8 text", "save it as UTF-8; look at its line "+itoa(line))
		return standIn
	}
	r.paths, r.script = map[string]string{"spec.script": "spec.scriptFile"}, path
	return string(data)
}
