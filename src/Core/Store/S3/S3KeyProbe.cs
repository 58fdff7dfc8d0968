using System.Security.Cryptography;
using System.Text;
using OrleansCache.Contracts;

namespace OrleansCache.Core.Store.S3;

/// <summary>
/// Finds out what a key may do that signs URLs for others, by trying each request with it. It touches only two objects of its own, under
/// new names: one below <c>nar/</c> and one outside. The server's key removes both.
/// </summary>
internal sealed class S3KeyProbe(IObjectStore store, S3ProbeRequests requests, TimeProvider clock)
{
    /// <summary>Begins the names of the probe's objects.</summary>
    public const string Name = "upload-key-probe-";

    private static readonly TimeSpan Fence = TimeSpan.FromSeconds(10);
    private static readonly byte[] Body =
        Encoding.UTF8.GetBytes("The server asks whether a key for others may do more than it has to. This may be deleted.\n");

    /// <summary>Tries a key that is to put NARs, and nothing else.</summary>
    /// <exception cref="ObjectStoreException">The store did not tell.</exception>
    public Task<UploadKeyRights> TryUploadsAsync(CancellationToken cancellationToken) => WithObjectsAsync(async (inside, outside) =>
    {
        // 1. The request that the key exists for.
        await store.PutNewAsync(outside, Body, cancellationToken);
        if (await AskAsync("PUT", inside, cancellationToken) is { } refusal)
            return new UploadKeyRights { RefusedPut = refusal };

        // 2. Requests that the store must refuse. Deletions come last, as they take the objects of the others.
        var gets = await MayAsync("GET", inside, cancellationToken) || await MayAsync("GET", outside, cancellationToken);
        var lists = await MayAsync("GET", null, cancellationToken);
        var putsElsewhere = await MayAsync("PUT", outside, cancellationToken);
        var isReadable = await IsReadableAsync(inside, cancellationToken);
        return new UploadKeyRights
        {
            Gets = gets,
            Lists = lists,
            Deletes = await DeletesAsync(inside, outside, cancellationToken),
            PutsElsewhere = putsElsewhere,
            HidesFromServer = !isReadable
        };
    });

    /// <summary>Tries a key that is to get NARs, and nothing else.</summary>
    /// <exception cref="ObjectStoreException">The store did not tell.</exception>
    public Task<ReadKeyRights> TryReadsAsync(CancellationToken cancellationToken) => WithObjectsAsync(async (inside, outside) =>
    {
        await store.PutNewAsync(inside, Body, cancellationToken);
        await store.PutNewAsync(outside, Body, cancellationToken);
        if (await AskAsync("GET", inside, cancellationToken) is { } refusal)
            return new ReadKeyRights { RefusedGet = refusal };
        var getsElsewhere = await MayAsync("GET", outside, cancellationToken);
        var lists = await MayAsync("GET", null, cancellationToken);
        var puts = await MayAsync("PUT", inside, cancellationToken) || await MayAsync("PUT", outside, cancellationToken);
        return new ReadKeyRights
        {
            GetsElsewhere = getsElsewhere,
            Lists = lists,
            Puts = puts,
            Deletes = await DeletesAsync(inside, outside, cancellationToken),
        };
    });

    private async Task<T> WithObjectsAsync<T>(Func<ObjectKey, ObjectKey, Task<T>> ask)
    {
        var name = Name + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
        var (inside, outside) = (ObjectKey.Parse($"nar/{name}"), ObjectKey.Parse(name));
        try
        {
            return await ask(inside, outside);
        }
        finally
        {
            // Even when this process is to stop, as no other process removes them.
            await store.DeleteAsync([inside, outside], clock.GetUtcNow() + Fence, CancellationToken.None);
        }
    }

    // Not short-circuited: on Ceph the key that puts an object owns it, and may do more with it than with other objects.
    private async Task<bool> DeletesAsync(ObjectKey inside, ObjectKey outside, CancellationToken cancellationToken) =>
        await MayAsync("DELETE", inside, cancellationToken) | await MayAsync("DELETE", outside, cancellationToken);

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
        return reply.Status is 401 or 403 ? reply.Answer!.Code : throw new ObjectStoreException($"{method} with a key for clients' URLs",
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

/// <summary>The rights of a key that signs readers' URLs. The key is right when all values are defaults.</summary>
public sealed record ReadKeyRights
{
    /// <summary>The store's refusal of a GET below <c>nar/</c>, in its word; null: it accepted it.</summary>
    public string? RefusedGet { get; init; }

    /// <summary>It may get outside <c>nar/</c>.</summary>
    public bool GetsElsewhere { get; init; }

    public bool Lists { get; init; }

    public bool Puts { get; init; }

    public bool Deletes { get; init; }
}
