using OrleansCache.Testing;
using Xunit;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>A server without keys of its own takes a role's.</summary>
public sealed class RoleTests
{
    private const string Token = "a-service-accounts-token";

    [RoleFact]
    public Task As_a_pod_whose_service_account_has_a_role() => PushAndReadAsync((tokens, tokenFile) => new()
    {
        // What Amazon's admission controller puts into such pods; the last would be Amazon's.
        ["AWS_ROLE_ARN"] = CephServer.Role,
        ["AWS_WEB_IDENTITY_TOKEN_FILE"] = tokenFile,
        ["AWS_REGION"] = "us-east-1",
        ["AWS_ENDPOINT_URL_STS"] = tokens.Url.ToString(),
    });

    [RoleFact]
    public Task As_a_container_with_an_agent_beside_it() => PushAndReadAsync((tokens, tokenFile) => new()
    {
        ["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = tokens.Url.ToString(),
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = tokenFile,
    });

    private static async Task PushAndReadAsync(Func<TokenService, string, Dictionary<string, string?>> environment)
    {
        using var folder = new TempFolder();
        await File.WriteAllTextAsync(folder["token"], Token);
        await using var tokens = new TokenService(await CephServer.Shared, CephServer.Role!, Token);
        using var bucket = await ObjectBucket.CreateAsync();
        var variables = environment(tokens, folder["token"]);
        // Keys of whoever runs the tests would be found first.
        foreach (var name in (string[])["AWS_ACCESS_KEY_ID", "AWS_PROFILE"])
            variables[name] = null;
        foreach (var name in (string[])["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
            variables[name] = folder["none"];
        await using var server = await ServerProcess.StartAsync(variables, bucket.PlaceOptions);
        await using var closure = await GeneratedClosure.MakeAsync(10);

        (await CacheCli.PushAsync(server, closure.Root)).OrThrow();

        Assert.Empty(tokens.Refused);
        Assert.True(tokens.Granted > 0);
        await ReadBack.ClosureAsync(NixTool.Installed!, bucket.Url, server.PublicKey, closure.Root);
    }
}
