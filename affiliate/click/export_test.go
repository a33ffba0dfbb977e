package click

// SelectNear is looked at by a test of its plan.
const SelectNear = selectNear
