using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Gateway.Tests;

/// <summary>Has nothing and takes everything, or fails as told.</summary>
internal sealed class ScriptedNixCopy : INixCopy
{
    /// <summary>Thrown by every call.</summary>
    public Exception? Failure { get; set; }

    public Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken) =>
        Answer(false);

    public Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken) =>
        Answer<NarFile?>(null);

    public Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length,
        CancellationToken cancellationToken) => Answer(true);

    public Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience,
        CancellationToken cancellationToken) =>
        Answer(NarInfoOutcome.Published);

    public Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience,
        CancellationToken cancellationToken) => Answer(true);

    public Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) =>
        Answer<byte[]?>(null);

    private Task<T> Answer<T>(T value) => Failure is { } failure ? Task.FromException<T>(failure) : Task.FromResult(value);
}
