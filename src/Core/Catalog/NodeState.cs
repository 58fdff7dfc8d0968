namespace OrleansCache.Core.Catalog;

/// <summary>The state of a path's or an object's row: <c>node_state</c>. Paths are never claimed, stored or tombstones.</summary>
internal enum NodeState
{
    Gone,
    Claimed,
    Stored,
    Publishing,
    Live,
    Condemned,
    Deleting,
    Tombstone,
}
