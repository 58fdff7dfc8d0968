using System.Text.Json.Nodes;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Http;

/// <summary>The routes of caches and their keys.</summary>
internal sealed partial class Api
{
    public Task<CacheList> CachesAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the caches", HttpMethod.Get, "/v1/caches", null, ProtocolJson.Default.CacheList, cancellationToken);

    public Task<CacheDescription> CacheAsync(string name, CancellationToken cancellationToken) =>
        SendAsync("asking for the cache", HttpMethod.Get, $"/v1/caches/{name}/settings", null, ProtocolJson.Default.CacheDescription,
            cancellationToken);

    public Task<CacheDescription> CreateCacheAsync(CreateCache cache, CancellationToken cancellationToken) =>
        SendAsync("making the cache", HttpMethod.Post, "/v1/caches", Body(cache, ProtocolJson.Default.CreateCache),
            ProtocolJson.Default.CacheDescription, cancellationToken);

    public Task<CacheDescription> SetCacheAsync(string name, JsonObject changes, CancellationToken cancellationToken) =>
        SendAsync("changing the cache", HttpMethod.Patch, $"/v1/caches/{name}/settings", Body(changes, ProtocolJson.Default.JsonObject),
            ProtocolJson.Default.CacheDescription, cancellationToken);

    public Task DeleteCacheAsync(string name, bool force, CancellationToken cancellationToken) =>
        retry.RunAsync("deleting the cache", c => AttemptAsync<CacheDescription>(HttpMethod.Delete,
            $"/v1/caches/{name}{(force ? "?force=true" : "")}", null, null, null, c), cancellationToken);

    public Task<KeyList> KeysAsync(CancellationToken cancellationToken) =>
        SendAsync("asking for the keys", HttpMethod.Get, "/keys", null, ProtocolJson.Default.KeyList, cancellationToken);

    public Task<KeyList> AddKeyAsync(AddKey key, CancellationToken cancellationToken) =>
        SendAsync("adding the key", HttpMethod.Post, "/keys", Body(key, ProtocolJson.Default.AddKey), ProtocolJson.Default.KeyList,
            cancellationToken);

    public Task<KeyList> SetKeyAsync(string name, SetKey request, CancellationToken cancellationToken) =>
        SendAsync("changing the key", HttpMethod.Put, $"/keys/{Uri.EscapeDataString(name)}",
            Body(request, ProtocolJson.Default.SetKey), ProtocolJson.Default.KeyList, cancellationToken);
}
