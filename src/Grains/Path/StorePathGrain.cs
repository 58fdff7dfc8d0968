using System.Text.Json;
using OrleansCache.Contracts;

namespace OrleansCache.Grains;

[CollectionAgeLimit(Minutes = 2)]
internal sealed class StorePathGrain([PersistentState("path", CatalogGrainStorage.Name)] IPersistentState<CatalogPath> path,
    TimeProvider time) : Grain, IStorePathGrain
{
    // One reading looks at the whole table for the referrers.
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private long _read;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _read = time.GetTimestamp();
        return Task.CompletedTask;
    }

    public async Task<PathShown> GetAsync()
    {
        if (time.GetElapsedTime(_read) >= Fresh)
        {
            await path.ReadStateAsync();
            _read = time.GetTimestamp();
        }

        return new PathShown(path.State.Absence,
            path.State.Life is { } life ? JsonSerializer.SerializeToUtf8Bytes(life, ProtocolJson.Default.PathLife) : null);
    }
}
