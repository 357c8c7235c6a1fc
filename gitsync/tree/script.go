package tree

// script puts the text of a Hook's scriptFile in its place.
func (r *reading) script() {
	spec, _ := r.object["spec"].(map[string]any)
	if r.kind.name != "Hook" || spec["scriptFile"] == nil {
		return
	}
	name, text := spec["scriptFile"].(string)
	if !text {
		r.notText("spec.scriptFile", spec["scriptFile"])
		return
	}
	if spec["script"] != nil {
		r.problem("spec.scriptFile", "both spec.script and spec.scriptFile are given", "keep one of the two")
		return
	}
	path, inside := within(r.chunk.file, name)
	if !inside {
		r.problem("spec.scriptFile", "the file "+quoted(name)+" is outside of the tree", "name a .lua file beside the Hook, without '..'")
		return
	}
	data, has := r.scripts[path]
	if !has {
		r.problem("spec.scriptFile", "there is no file "+quoted(path), didYouMean(path, keysOf(r.scripts), "add the file to the commit; its name ends in .lua"))
		return
	}
	if line, ok := invalidText(data); !ok {
		r.problem("spec.scriptFile", "the file "+quoted(path)+" is not UTF-8 text", "save it as UTF-8; look at its line "+itoa(line))
		return
	}
	delete(spec, "scriptFile")
	spec["script"] = string(data)
}
