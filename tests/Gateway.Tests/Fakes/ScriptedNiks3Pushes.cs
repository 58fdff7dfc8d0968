using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>Pushes of niks3's clients that know no push: for what HTTP makes of requests, not for what a push is.</summary>
internal sealed class ScriptedNiks3Pushes : INiks3Pushes
{
    public INiks3Pushes As(Caller caller) => this;

    public Task<IReadOnlySet<StorePathHash>> PresentAsync(CacheName cache, IReadOnlyCollection<StorePathHash> roots,
        CancellationToken cancellationToken) => Task.FromResult<IReadOnlySet<StorePathHash>>(new HashSet<StorePathHash>());

    public Task<Niks3Opened> OpenAsync(CacheName cache, Niks3Push request, CancellationToken cancellationToken) =>
        Task.FromResult(new Niks3Opened(PushId.New(), "secret", new HashSet<StorePathHash>(), [], new HashSet<ObjectKey>()));

    public Task<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>> DeclareAsync(CacheName cache, PushId push,
        IReadOnlyList<Niks3Declaration> paths, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyDictionary<StorePathHash, IReadOnlyList<string>>>(new Dictionary<StorePathHash, IReadOnlyList<string>>());

    public Task<IReadOnlyList<Uri>> PartsAsync(CacheName cache, string upload, Sha256Hash nar, int first, int count,
        CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Uri>>([]);

    public Task UploadedAsync(CacheName cache, string upload, Sha256Hash nar, IReadOnlyList<string> md5,
        CancellationToken cancellationToken) =>
        Task.CompletedTask;

    public Task ReceiveNarAsync(CacheName cache, PushId push, string secret, string upload, Sha256Hash nar, ReadOnlyMemory<byte> file,
        CancellationToken cancellationToken) => Task.CompletedTask;

    public Task<bool> KeepListingAsync(CacheName cache, PushId push, string secret, StorePathHash path, byte[] content,
        CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<bool> KeepObjectAsync(CacheName cache, PushId push, string secret, ObjectKey key, byte[] content,
        CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<bool> IsOpenAsync(CacheName cache, PushId push, string secret, CancellationToken cancellationToken) =>
        Task.FromResult(false);

    public Task<int> EndSilentAsync(CacheName cache, TimeSpan silence, CancellationToken cancellationToken) => Task.FromResult(0);
}

/// <summary>A cache that has nothing.</summary>
internal sealed class ScriptedContents : ICacheContents
{
    private int _askedForMoved;

    public Task<bool> HasNarAsync(CacheName cache, Caller caller, Sha256Hash nar, CancellationToken cancellationToken) => Task.FromResult(false);

    /// <summary>How often it was asked where a NAR is now.</summary>
    public int AskedForMoved => _askedForMoved;

    public Task<ObjectKey?> FindMovedNarAsync(CacheName cache, ObjectKey former, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _askedForMoved);
        return Task.FromResult<ObjectKey?>(null);
    }

    public Task<bool> HasPathAsync(CacheName cache, Caller caller, StorePathHash path, bool withListing, CancellationToken cancellationToken) =>
        Task.FromResult(false);

    public Task<bool> HasObjectAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) => Task.FromResult(false);

    public Task<PushedClosure?> ClosureAsync(CacheName cache, Caller caller, StorePathHash root, CancellationToken cancellationToken) =>
        Task.FromResult<PushedClosure?>(null);

}
