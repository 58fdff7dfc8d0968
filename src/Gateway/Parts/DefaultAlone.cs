using System.Text.Json.Nodes;
using OrleansCache.Contracts;

namespace OrleansCache.Gateway.Parts;

/// <summary>The contract of caches where nothing but the default cache is served.</summary>
internal sealed class DefaultAlone : ICaches
{
    public Task<CacheList> ListAsync(CancellationToken cancellationToken) => throw Refusal();

    public Task<CacheDescription> ShowAsync(CacheName cache, CancellationToken cancellationToken) => throw Refusal();

    public Task<string?> FindExposureAsync(CacheName cache, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    public Task<CacheDescription> CreateAsync(CacheName cache, JsonObject settings, Caller caller, CancellationToken cancellationToken) =>
        throw Refusal();

    public Task<CacheDescription> SetAsync(CacheName cache, JsonObject changes, bool isOperator, Caller caller,
        CancellationToken cancellationToken) => throw Refusal();

    public Task DeleteAsync(CacheName cache, bool force, Caller caller, CancellationToken cancellationToken) => throw Refusal();

    public Task<KeyList> ListKeysAsync(CacheName cache, CancellationToken cancellationToken) => throw Refusal();

    public Task<KeyList> AddKeyAsync(CacheName cache, AddKey request, Caller caller, CancellationToken cancellationToken) =>
        throw Refusal();

    public Task<KeyList> SetKeyAsync(CacheName cache, string key, SetKey request, Caller caller, CancellationToken cancellationToken) =>
        throw Refusal();

    private static CacheProblemException Refusal() => new(ProblemKind.BadRequest, "This server serves the default cache alone.");
}
