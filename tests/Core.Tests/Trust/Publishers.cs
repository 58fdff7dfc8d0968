using OrleansCache.Contracts;
using OrleansCache.Testing;

namespace OrleansCache.Core.Tests.Trust;

/// <summary>The parties of these tests: two who may push, each a trust group of its own, and one who may pin.</summary>
internal static class Publishers
{
    public static Caller Mallory { get; } = new("token:1", "token:1", 0);

    public static Caller Victim { get; } = new("token:2", "token:2", 0);

    public static Caller Deployer { get; } = new("token:3", "token:3", 1);

    public static Caller OtherDeployer { get; } = new("token:4", "token:4", 1);

    public static Caller Admin { get; } = new("file:1", "file", 1, IsAdmin: true);

    public static IPushes Of(this World world, Caller caller) => world.Core.Pushes.As(caller);

    public static Task<PushOpened> BeginAsync(this World world, Caller caller, BeginPush closure, string? operation = null) =>
        world.BeginAsync(closure, operation, world.Of(caller));

    public static async Task<CommitAnswer> PushAsync(this World world, Caller caller, BeginPush closure) =>
        await world.PushAsync(closure, world.Of(caller));

    public static BeginPush Pinned(BeginPush closure, string pin = "app") =>
        closure with { Pin = new PushPin { Name = PinName.Parse(pin) } };
}
