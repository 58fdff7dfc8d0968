using OrleansCache.Core;

namespace OrleansCache.Grains;

/// <summary>
/// The persisted state of a grain as rows of the catalog. It is never written back: a write is the change that the state carries, and
/// leaves its answer there.
/// </summary>
internal interface ICatalogState
{
    /// <summary>The version of the rows as they are remembered; null: there are none.</summary>
    string? Version { get; }

    /// <summary>Reads the rows.</summary>
    Task ReadAsync(CoreServices services, GrainKey key);

    /// <summary>
    /// Does the change, and remembers the rows as it left them. A refusal is an answer. False: the rows have another version than is
    /// remembered, and nothing was done.
    /// </summary>
    Task<bool> ChangeAsync(CoreServices services, GrainKey key);
}
