// From samples to groups. Samples arrive in any order, but -resume and reproducible results need a
// fixed one.

// [meta of the group with its size, files of its samples]
def mergedByGroup(samples) {
    samples
        .map { meta, file ->
            [[id: meta.group], file, meta.subMap(['n_cells', 'n_values', 'n_captured', 'n_droplets'])]
        }
        .groupTuple()
        .map { meta, members, sizes ->
            def size = [n_cells: sizes.n_cells.sum(), n_values: sizes.n_values.sum()]
            size.n_droplets = sizes.collect { each -> each.n_droplets ?: 0 }.sum()
            // Proteins, hashtags and guides of the sample that has most of them.
            def n_captured = sizes.collect { each -> each.n_captured ?: 0 }.max()
            [meta + size + [n_captured: n_captured], members.sort { member -> member.name }]
        }
}

// [id of the group, files of its samples]
def byGroup(files) {
    files
        .map { meta, file -> [meta.group, file] }
        .groupTuple()
        .map { group, members -> [group, members.sort { member -> member.name }] }
}
