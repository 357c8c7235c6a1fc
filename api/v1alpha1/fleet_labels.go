package v1alpha1

// AnnotationLabels on a Server holds the labels that the commit gave it, as "group=web,rack=r7": what
// decides in which group it is. While the Server has others, since somebody changed them by hand, no
// rollout of its fleet takes it.
const AnnotationLabels = "stargate.io/labels"

// AnnotationWave on an Operation names the wave of the rollout that it was made in.
const AnnotationWave = "stargate.io/wave"
