using System.Globalization;
using OrleansCache.Contracts;
using OrleansCache.Core;

namespace OrleansCache.Grains;

/// <summary>
/// State <c>path</c>: the rows of a path, as the catalog had them: references, upload state, verification, publisher. They are changed by
/// the statements of pushes, collections and evictions, which change thousands of paths at once, and never by one path's grain.
/// </summary>
internal sealed class CatalogPath : ICatalogState
{
    public PathLife? Life { get; private set; }

    /// <summary>Why its last reading found none.</summary>
    public Problem? Absence { get; private set; }

    public string? Version => Life is { } life
        ? string.Create(CultureInfo.InvariantCulture, $"{life.State} {life.Declared?.UtcTicks} {life.Nar?.Key}") : null;

    public async Task ReadAsync(CoreServices services, GrainKey key)
    {
        try
        {
            (Life, Absence) = (await services.Paths.GetAsync(key.Cache, key.Path, CancellationToken.None), null);
        }
        catch (CacheProblemException e)
        {
            (Life, Absence) = (null, Problem.Of(e));
        }
    }

    public Task<bool> ChangeAsync(CoreServices services, GrainKey key) =>
        throw new NotSupportedException($"The rows of '{key}' change by pushes, collections and evictions.");
}
