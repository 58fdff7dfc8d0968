using Npgsql;
using OrleansCache.Core.Catalog;
using OrleansCache.Testing;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace OrleansCache.Model.Tests;

public sealed class ModelTests
{
    private static readonly bool Full = Environment.GetEnvironmentVariable("ORLEANS_CACHE_TEST_FULL") == "1";

    [Fact]
    public async Task No_schedule_of_pushes_pins_collections_crashes_and_faults_breaks_an_invariant()
    {
        var first = Random.Shared.Next(1, 1_000_000_000);
        var search = Full
            ? await Search.RunAsync(gateways: 2, workers: Environment.ProcessorCount, first, most: 5_000, TimeSpan.MaxValue)
            : await Search.RunAsync(gateways: 2, workers: Environment.ProcessorCount, first, most: int.MaxValue, TimeSpan.FromMinutes(1));

        Assert.True(search.Finding is null, search.ToString());
        Assert.True(search.Schedules > 0);
    }

    /// <summary>
    /// Those that are not hunted here are still what they say: a change of the catalog's functions has to take them along.
    /// </summary>
    [Fact]
    public void Every_mutant_finds_the_text_that_it_changes()
    {
        var text = CatalogSchema.FunctionText();

        Assert.All(Mutants.All.Where(m => m.Patch is not null), m => Assert.NotEqual(text, m.Patch!(text)));
    }

    /// <summary>One that is no SQL would be found by PostgreSQL's answer, whatever it says of itself.</summary>
    [Fact]
    public async Task PostgreSQL_can_read_every_mutant()
    {
        var server = await PostgresServer.Shared;
        var connectionString = await server.CreateDatabaseAsync();
        await using var catalog = await CatalogDatabase.OpenAsync(connectionString, CancellationToken.None);
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        var product = FunctionsOf(CatalogSchema.FunctionText());

        foreach (var mutant in Mutants.All.Where(m => m.Patch is not null))
        {
            // Over the product's: those that call each other are there.
            var text = string.Join('\n', FunctionsOf(mutant.Patch!(CatalogSchema.FunctionText())).Except(product))
                .Replace("create function", "create or replace function", StringComparison.Ordinal)
                .Replace("@fn@", catalog.Functions, StringComparison.Ordinal);
            await using var transaction = await connection.BeginTransactionAsync();
#pragma warning disable CA2100 // Our own text.
            await using var command = new NpgsqlCommand($"set local check_function_bodies = on; {text}", connection, transaction);
#pragma warning restore CA2100
            try
            {
                await command.ExecuteNonQueryAsync();
            }
            catch (PostgresException e)
            {
                Assert.Fail($"{mutant.Name}: {e.SqlState} {e.MessageText} {e.Where}");
            }

            await transaction.RollbackAsync();
        }
    }

    /// <summary>The whole list with <c>--full</c>, else those that are found within seconds.</summary>
    public static TheoryData<string> MutantNames => [.. Mutants.All.Where(m => Full || m.IsQuick).Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(MutantNames))]
    public async Task The_model_finds(string mutant)
    {
        var hunt = await Search.HuntAsync(Mutants.All.Single(m => m.Name == mutant), first: 1, shrink: false);

        Assert.True(hunt.IsFound, hunt.ToString());
    }

    private static List<string> FunctionsOf(string text) =>
        [.. text.Split("\ncreate function ").Skip(1).Select(f => $"create function {f}")];
}
