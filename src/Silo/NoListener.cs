using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace OrleansCache.Silo;

/// <summary>
/// Replaces Orleans' listener by one that never accepts. A cluster of one needs no TCP port, and Orleans supports no silo without one. The
/// services are found by their type, as their keys are Orleans' own.
/// </summary>
internal sealed class NoListener : IConnectionListenerFactory
{
    public static void Use(IServiceCollection services)
    {
        var keys = services.Where(s => s.IsKeyedService && s.ServiceType == typeof(IConnectionListenerFactory))
            .Select(s => s.ServiceKey).ToList();
        // Without this error, a newer Orleans that listens in another way would open a port.
        if (keys.Count == 0)
            throw new InvalidOperationException("This version of Orleans has no listener that could be replaced.");
        foreach (var key in keys)
            services.RemoveAllKeyed<IConnectionListenerFactory>(key).AddKeyedSingleton<IConnectionListenerFactory, NoListener>(key);
    }

    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
        new(new Deaf(endpoint));

    private sealed class Deaf(EndPoint endpoint) : IConnectionListener
    {
        private readonly TaskCompletionSource _unbound = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public EndPoint EndPoint => endpoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            await _unbound.Task.WaitAsync(cancellationToken);
            return null;
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _unbound.TrySetResult();
            return default;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}
