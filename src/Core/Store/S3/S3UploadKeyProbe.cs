using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Finds out what a key may do, by trying each request with it. It touches only two objects of its own, under new names: one below
/// <c>nar/</c>, which the probed key puts, and one outside, which the server puts. The server's key removes both.
/// </summary>
internal sealed class S3UploadKeyProbe(IObjectStore store, S3ProbeRequests requests, TimeProvider clock)
{
    /// <summary>Begins the names of the probe's objects.</summary>
    public const string Name = "upload-key-probe-";

    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(10);
    private static readonly byte[] Body =
        Encoding.UTF8.GetBytes("The server asks whether the upload key may do more than put NARs. This may be deleted.\n");

    /// <exception cref="ObjectStoreException">The store did not tell.</exception>
    public async Task<UploadKeyRights> RunAsync(CancellationToken cancellationToken)
    {
        var name = Name + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var (inside, outside) = (ObjectKey.Parse($"nar/{name}"), ObjectKey.Parse(name));
        await store.PutNewAsync(outside, Body, cancellationToken);
        try
        {
            // 1. The request that the key exists for.
            if (await AskAsync("PUT", inside, cancellationToken) is { } refusal)
                return new UploadKeyRights { RefusedPut = refusal };

            // 2. Requests that the store must refuse. Deletions come last, as they take the objects of the others.
            var gets = await MayAsync("GET", inside, cancellationToken) || await MayAsync("GET", outside, cancellationToken);
            var lists = await MayAsync("GET", null, cancellationToken);
            var putsElsewhere = await MayAsync("PUT", outside, cancellationToken);
            var isReadable = await IsReadableAsync(inside, cancellationToken);
            // Not short-circuited: on Ceph the key that puts an object owns it, and may do more with it than with other objects.
            var deletes = await MayAsync("DELETE", inside, cancellationToken) | await MayAsync("DELETE", outside, cancellationToken);
            return new UploadKeyRights
            {
                Gets = gets,
                Lists = lists,
                Deletes = deletes,
                PutsElsewhere = putsElsewhere,
                HidesFromServer = !isReadable
            };
        }
        finally
        {
            // Even when this process is to stop, as no other process removes them.
            await store.DeleteAsync([inside, outside], clock.GetUtcNow() + Fence, CancellationToken.None);
        }
    }

    private async Task<bool> MayAsync(string method, ObjectKey? key, CancellationToken cancellationToken) =>
        await AskAsync(method, key, cancellationToken) is null;

    // Where ACLs count, an object belongs to the key that has put it.
    private async Task<bool> IsReadableAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        try
        {
            return await store.HeadAsync(key, cancellationToken) is not null;
        }
        catch (ObjectStoreException e) when (!e.IsTransient)
        {
            return false;
        }
    }

    /// <summary>Null: it may; else how it was refused.</summary>
    private async Task<string?> AskAsync(string method, ObjectKey? key, CancellationToken cancellationToken)
    {
        var reply = await requests.SendAsync(method, key, method == "PUT" ? Body : null, cancellationToken);
        if (reply.IsSuccess || reply.Status == 404)
            return null;
        return reply.Status is 401 or 403 ? reply.Answer!.Code : throw new ObjectStoreException($"{method} with the upload key",
            reply.Answer!.AsRefusal());
    }
}

/// <summary>The rights of a key that signs clients' URLs. The key is right when all values are defaults.</summary>
public sealed record UploadKeyRights
{
    /// <summary>The store's refusal of a PUT below <c>nar/</c>, in its word; null: it accepted it.</summary>
    public string? RefusedPut { get; init; }

    /// <summary>The server's own key may not read the objects that this key puts.</summary>
    public bool HidesFromServer { get; init; }

    public bool Gets { get; init; }

    public bool Lists { get; init; }

    public bool Deletes { get; init; }

    /// <summary>It may put outside <c>nar/</c>.</summary>
    public bool PutsElsewhere { get; init; }
}
