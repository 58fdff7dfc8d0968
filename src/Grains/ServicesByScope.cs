using System.Collections.Concurrent;
using OrleansCache.Core;

namespace OrleansCache.Grains;

/// <summary>The core services of this silo's process, for its grains.</summary>
internal sealed class ServicesByScope
{
    private readonly ConcurrentDictionary<string, CoreServices> _services = new(StringComparer.Ordinal);

    public CoreServices Of(GrainKey key) => _services.TryGetValue(key.Scope, out var services)
        ? services
        : throw new InvalidOperationException($"no core services for '{key}' in this silo");

    public void Add(string scope, CoreServices services) => _services.TryAdd(scope, services);
}
