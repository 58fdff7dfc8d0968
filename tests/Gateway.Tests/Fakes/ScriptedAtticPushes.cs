using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>Has nothing and publishes everything, or fails as told.</summary>
internal sealed class ScriptedAtticPushes : IAtticPushes
{
    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public Task<IReadOnlyList<StorePathHash>> FindMissingAsync(CacheName cache, Caller caller, IReadOnlyList<StorePathHash> paths,
        CancellationToken cancellationToken) => Answer(paths);

    public async Task<AtticUpload> UploadAsync(CacheName cache, Caller caller, AtticPath path, Stream nar, TimeSpan patience,
        CancellationToken cancellationToken)
    {
        await nar.CopyToAsync(Stream.Null, cancellationToken);
        return await Answer(new AtticUpload(AtticOutcome.Published, WasStored: false, path.NarSize));
    }

    public Task<WaitingPathList> ListWaitingAsync(CacheName cache, int limit, CancellationToken cancellationToken) =>
        Answer(new WaitingPathList([]));

    private Task<T> Answer<T>(T value) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
}
