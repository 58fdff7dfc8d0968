using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;
using OrleansCache.Nix;

namespace OrleansCache.Grains;

/// <summary>
/// Lets the first upload of a file go ahead of others of the same name, which is its hash: their clients send nothing until it has ended,
/// and nothing at all when it has come. Passes all else on.
/// </summary>
internal sealed class ClusterNixCopy(INixCopy direct, ClosureLeadership leadership) : INixCopy
{
    // As the catalog takes an upload to need.
    private const double Rate = 10_000_000;

    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(10);
    // Shorter than a proxy between lets a body stand still.
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(45);

    public Task<bool> PromisePathAsync(CacheName cache, Caller caller, StorePathHash path, CancellationToken cancellationToken) =>
        direct.PromisePathAsync(cache, caller, path, cancellationToken);

    public Task<NarFile?> PromiseNarAsync(CacheName cache, Caller caller, NarFileName name, CancellationToken cancellationToken) =>
        direct.PromiseNarAsync(cache, caller, name, cancellationToken);

    public async Task ReceiveNarAsync(CacheName cache, Caller caller, NarFileName name, Stream body, long length,
        CancellationToken cancellationToken)
    {
        // Nobody holds up another trust group.
        var key = SHA256.HashData(Encoding.UTF8.GetBytes($"nar/{name.Text} {caller.Group}"));
        var isFirst = await leadership.TakeAsync(cache, key, OperationId.New(), PatienceFor(length), cancellationToken);
        try
        {
            // Asks first whether it is there by now.
            await direct.ReceiveNarAsync(cache, caller, name, body, length, cancellationToken);
        }
        finally
        {
            leadership.Opened(cache, key, isFirst, opened: null);
        }
    }

    public Task<NarInfoOutcome> PublishAsync(CacheName cache, Caller caller, NarInfo info, TimeSpan patience,
        CancellationToken cancellationToken) =>
        direct.PublishAsync(cache, caller, info, patience, cancellationToken);

    public Task KeepAsync(CacheName cache, Caller caller, NixExtra extra, TimeSpan patience, CancellationToken cancellationToken) =>
        direct.KeepAsync(cache, caller, extra, patience, cancellationToken);

    public Task<byte[]?> FindWaitingAsync(CacheName cache, Caller caller, ObjectKey key, CancellationToken cancellationToken) =>
        direct.FindWaitingAsync(cache, caller, key, cancellationToken);

    private static TimeSpan PatienceFor(long length)
    {
        var patience = TimeSpan.FromSeconds(2 * length / Rate);
        return patience < LeastPatience ? LeastPatience : patience > MostPatience ? MostPatience : patience;
    }
}
